package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// KindExportData is the kind of [ExportData].
const KindExportData Kind = "export_data"

// ExportData saves the files that a run of a data export wrote, as its manifest names them. The manifest must be for the
// run and the as-of date of the close. How a data export is started no page of the service says: try on your tenant
// whether a batch with an export task gives a run that has one.
//
// The names of the files have the time of their run in them, at least in the documentation's sample: a second run for
// the same date, as after close again, saves its files beside those of the first, and only the result and the audit file
// say which are of which. To keep two closes for one date apart, start them with different values of a parameter, and
// have that in SaveTo: `reports/{{.AsOfDate}}/ledger-{{.Params.attempt}}/`.
//
//	export_data:
//	  code: EXP_LEDGER
//	  run_of: export
//	  save_to: "reports/{{.AsOfDate}}/ledger/"
//	  service_id: OFS_FTP
//	  on_failure: skip
//	  retries: 2
//	  retry_delay: 1m
//	  deadline: 2h
type ExportData struct {
	// Code is the export's code: the tooltip over its name in the Data Export summary.
	Code string `json:"code" jsonschema:"format=code"`
	// RunOf is the id of the batch's step whose run wrote the files. The step must be among those that this one needs.
	RunOf string `json:"run_of" jsonschema:"format=step"`
	// SaveTo is the folder where the files are saved under their own names; it ends with a "/".
	SaveTo string `json:"save_to" jsonschema:"format=store/path//"`
	// ServiceID is the service that has the export, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`

	Failing
	Retrying
}

func (e *ExportData) traits() Traits {
	return Traits{OnFailure: e.OnFailure, Retries: e.Retries, RetryDelay: e.RetryDelay, Deadline: e.Deadline, Files: []string{strings.TrimSuffix(e.SaveTo, "/")}}
}

func (*ExportData) setDefaults(rendering) {}

func (e *ExportData) check(c checker) {
	c.code("code", e.Code)
	if c.want(strings.HasSuffix(e.SaveTo, "/"), "save_to", "%q is no folder: end it with a /", e.SaveTo) {
		c.ref("save_to", e.SaveTo+"x")
	}
	c.optionalCode("service_id", e.ServiceID)
}

// checkRunsOf checks the steps whose runs other steps refer to, once it is known which steps run.
func (p *Pipeline) checkRunsOf(found *problem.List) {
	index := map[string]int{}
	for i, s := range p.Steps {
		index[s.ID] = i
	}
	for i, s := range p.Steps {
		if s.ExportData == nil || p.expansions[i].NotTonight != "" {
			continue
		}
		e, id := p.expansions[i], s.ExportData.RunOf
		path := fmt.Sprintf("%s.%s.run_of", stepPath(e.origin), KindExportData)
		of, known := index[id]
		switch {
		case found.Touches(path):
		case id == "":
			found.Add(path, "is missing: the step whose run wrote the files")
		case !known:
			found.Addf(path, "there is no step %q%s", id, e.note())
		case p.Steps[of].Batch == nil:
			found.Addf(path, "step %s runs no batch%s", id, e.note())
		case p.expansions[of].NotTonight != "":
			found.Addf(path, "step %s does not run for this date: give both steps the same when%s", id, e.note())
		case !p.needs(index, i)[id]:
			found.Addf(path, "step %s must be among those that this one needs%s", id, e.note())
		}
	}
}

// needs are the ids of all steps that a step needs, at whatever distance.
func (p *Pipeline) needs(index map[string]int, step int) map[string]bool {
	all, next := map[string]bool{}, slices.Clone(p.Steps[step].Needs)
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if i, known := index[id]; known && !all[id] {
			all[id] = true
			next = append(next, p.Steps[i].Needs...)
		}
	}
	return all
}
