package pipeline

import (
	"strconv"
	"strings"
)

// KindDelete is the kind of [Delete].
const KindDelete Kind = "delete"

// Delete deletes files of the service that earlier closes of the pipeline sent. Their own audit files say which those are:
// the service's list has neither a prefix nor a date with a zone. It looks at the closes of 92 days before the age given.
//
//	delete:
//	  older_than: 35d
//	  record: "reports/{{.AsOfDate}}/audit.jsonl"
//	  on_failure: skip
//	  retries: 2
//	  retry_delay: 1m
//	  deadline: 1h
type Delete struct {
	// OlderThan is the age in days, counted between as-of dates, from which a close's files are deleted.
	OlderThan string `json:"older_than" jsonschema:"format=days"`
	// Record is the audit file of the closes that sent the files; it must have the as-of date in its name. Default: that
	// of the pipeline itself.
	Record string `json:"record,omitempty" jsonschema:"format=store/path"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`

	Failing
	Retrying
}

func (d *Delete) traits() Traits {
	return Traits{OnFailure: d.OnFailure, Retries: d.Retries, RetryDelay: d.RetryDelay, Deadline: d.Deadline, Files: []string{d.Record}}
}

func (*Delete) setDefaults(rendering) {}

func (d *Delete) check(c checker) {
	c.want(daysPattern.MatchString(d.OlderThan), "older_than", "%q is not a number of days such as 35d", d.OlderThan)
	if c.want(d.Record != "", "record", "is missing: the pipeline has no audit file, which says what earlier closes sent") {
		c.ref("record", d.Record)
	}
}

// Until is the last as-of date of the closes whose files are deleted.
func (d *Delete) Until(asOf Date) (Date, error) {
	days, err := strconv.Atoi(strings.TrimSuffix(d.OlderThan, "d"))
	if err != nil {
		return Date{}, err
	}
	return asOf.AddDays(-days)
}
