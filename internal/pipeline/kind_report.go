package pipeline

import (
	"cmp"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// KindReport is the kind of [Report].
const KindReport Kind = "report"

// Report generates a report and saves it.
//
// The service passes both filters to SQL. Templates can put only dates, names and the values of parameters into
// them, which consist of letters, digits, "_" and "-". One that is not a number must be in single quotes.
//
//	report:
//	  code: RPT001
//	  type: CSV
//	  def_type: V
//	  filter: "AS_OF_DATE = '{{.AsOfDate}}'"
//	  placeholder_filter: "ORG_UNIT_ID = 1001"
//	  save_to: "reports/{{.AsOfDate}}/profitability.csv"
//	  expect: {min_rows: 1}
//	  on_failure: skip
//	  retries: 2
//	  retry_delay: 1m
//	  deadline: 2h
//	  service_id: OFS_FTP
//	  app_id: FTPCS
type Report struct {
	// Code is the report's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Type is the report's file type.
	Type string `json:"type,omitempty" jsonschema:"format=code,default=CSV"`
	// DefType is sent as reportDefType. Default: the connection's report_def_type.
	DefType string `json:"def_type,omitempty" jsonschema:"format=code"`
	// Filter is sent as filterCriteria.
	Filter string `json:"filter,omitempty"`
	// PlaceholderFilter is sent as placeholderFilter.
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
	// SaveTo is where the report is saved.
	SaveTo string `json:"save_to" jsonschema:"format=store/path"`
	// Expect is what the saved file must contain.
	Expect *verify.Expect `json:"expect,omitempty"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// ServiceID is the service that has the report, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`
	// AppID is the application that has the report, if it is not that of the connection.
	AppID string `json:"app_id,omitempty" jsonschema:"format=code"`

	Failing
	Retrying
}

func (r *Report) traits() Traits {
	return Traits{OnFailure: r.OnFailure, Retries: r.Retries, RetryDelay: r.RetryDelay, Deadline: r.Deadline, SaveTo: r.SaveTo, Expect: r.Expect}
}

func (r *Report) setDefaults(rendering) { r.Type = cmp.Or(r.Type, "CSV") }

func (r *Report) check(c checker) {
	c.optionalCode("service_id", r.ServiceID)
	c.optionalCode("app_id", r.AppID)
	c.code("code", r.Code)
	c.want(codePattern.MatchString(r.Type), "type", "%q is not a type; use for example CSV", r.Type)
	c.want(r.DefType == "" || codePattern.MatchString(r.DefType), "def_type",
		"%q is not a definition type; use for example V", r.DefType)
	c.plain("filter", r.Filter)
	c.plain("placeholder_filter", r.PlaceholderFilter)
	c.save("save_to", r.SaveTo)
}
