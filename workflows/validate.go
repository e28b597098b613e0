package workflows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// problems collects the mistakes of an input.
type problems struct{ problem.List }

// decoded adds the problems with which the input was decoded from JSON.
func (p *problems) decoded(malformed error) {
	if malformed != nil {
		p.Check("", malformed)
	}
}

func (p *problems) date(value string) {
	if value == "" {
		p.Add("as_of_date", "is missing; there is no default")
		return
	}
	_, err := pipeline.ParseDate(value)
	p.Check("as_of_date", err)
}

func (p *problems) ref(path, value string) {
	_, _, err := pipeline.ParseRef(value)
	p.Check(path, err)
}

// zone wants an IANA name, or nothing.
func (p *problems) zone(name string) {
	if name != "" {
		_, err := clock.LoadZone(name)
		p.Check("time_zone", err)
	}
}

// idPart wants the form of a code, as a pipeline does: ids consist of them.
func (p *problems) idPart(path, value string) {
	if p.Require(path, value) {
		p.Check(path, pipeline.CheckCode(value))
	}
}

// params wants what may stand in templates and ids. Only the definition says which values are allowed.
func (p *problems) params(params map[string]string, key string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		path := problem.Join("params", name)
		if p.Check(path, pipeline.CheckParamName(name)) {
			p.Check(path, pipeline.CheckValue(params[name]))
		}
	}
	if key != "" {
		p.Check("key", pipeline.CheckKey(key))
	}
}

func (p *problems) optionalCode(path, value string) {
	if value != "" {
		p.idPart(path, value)
	}
}

func (p *problems) expect(e *Expect) {
	if e == nil {
		return
	}
	p.Check("expect", verify.Expect(*e).Problems())
	if e.Manifest != "" {
		p.ref("expect.manifest", e.Manifest)
	}
}

func (p *problems) err() error {
	if len(p.List) == 0 {
		return nil
	}
	texts := p.Texts()
	return failure(InvalidInput, "invalid input: "+strings.Join(texts, "; "), texts)
}

// Validate names every problem of the input that can be found without a worker.
func (in NightlyCloseInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	if in.Pipeline == "" && len(in.Definition) == 0 {
		p.Add("pipeline", "is missing: name one in the worker's folder, or send a definition")
	}
	if in.Pipeline != "" {
		p.idPart("pipeline", in.Pipeline)
	}
	p.date(in.AsOfDate)
	p.params(in.Params, in.Key)
	if in.Again != nil && p.Require("again.reason", in.Again.Reason) {
		p.realText("again.reason", in.Again.Reason)
	}
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in RunBatchInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.idPart("code", in.Code)
	p.date(in.AsOfDate)
	if in.Key != "" {
		p.idPart("key", in.Key)
	}
	if !in.Group && len(in.Batches) > 0 {
		p.Add("batches", "is for a group: set group, or leave batches out")
	}
	for i, b := range in.Batches {
		p.idPart(fmt.Sprintf("batches[%d].code", i), b.Code)
	}
	p.Want(!in.Group || len(in.TaskParams) == 0, "task_params", "is for a batch; a group has those of its batches")
	p.optionalCode("service_id", in.ServiceID)
	if in.Group && len(in.IncludedTasks)+len(in.ExcludedTasks)+len(in.HeldTasks) > 0 {
		p.Add("", "included_tasks, excluded_tasks and held_tasks are for a batch, not for a group")
	}
	p.Want(in.Restarts >= 0, "restarts", "%d is less than 0", in.Restarts)
	if _, err := in.restartDelay(); err != nil {
		p.Addf("restart_delay", "%q is not a duration such as 90s", in.RestartDelay)
	}
	return p.err()
}

const defaultRestartDelay = 30 * time.Second

func (in RunBatchInput) restartDelay() (time.Duration, error) {
	if in.RestartDelay == "" {
		return defaultRestartDelay, nil
	}
	d, err := time.ParseDuration(in.RestartDelay)
	if err == nil && d < 0 {
		err = fmt.Errorf("less than zero")
	}
	return d, err
}

// runIDProblem says why a run of the service cannot be one of this batch, or nothing. It judges every run id that an
// operator or an input names: to adopt, or as done outside.
func (in RunBatchInput) runIDProblem(runID string) string {
	if strings.HasPrefix(runID, in.Code+"_") {
		return ""
	}
	return fmt.Sprintf("run %q does not belong to %s: its run ids begin with %s_", runID, in.Code, in.Code)
}

// Validate names every problem of the input that can be found without a worker.
func (in GenerateReportInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.idPart("code", in.Code)
	p.ref("save_to", in.SaveTo)
	p.optionalCode("service_id", in.ServiceID)
	p.optionalCode("app_id", in.AppID)
	p.expect(in.Expect)
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in UploadFileInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.ref("file", strings.TrimSuffix(in.File, "/"))
	if in.ListTo != "" {
		p.ref("list_to", in.ListTo)
	}
	switch {
	case !in.isFolder() && in.ListTo != "":
		p.Add("list_to", "is for a folder: end file with a /")
	case in.isFolder() && (in.Name != "" || in.StableFor != "" || in.Expect != nil):
		p.Addf("", "name, stable_for and expect are for one file, and %s is a folder", in.File)
	case in.isFolder() && !in.WaitUntil.IsZero() && in.Marker == "":
		p.Add("wait_until", "needs a marker: a folder itself does not show that it is complete")
	}
	if in.Marker != "" {
		p.ref("marker", in.Marker)
	}
	if _, err := in.stableFor(); err != nil {
		p.Addf("stable_for", "%q is not a duration such as 30s", in.StableFor)
	}
	p.optionalCode("service_id", in.ServiceID)
	p.expect(in.Expect)
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in DownloadFileInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.Want(given(in.FileID != "", in.Name != "", in.Object != "") == 1, "", "exactly one of file_id, name and object must be given")
	p.ref("save_to", in.SaveTo)
	p.expect(in.Expect)
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in MigrateInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.Want(in.Direction == Export || in.Direction == Import, "direction", "%q is neither %q nor %q", in.Direction, Export, Import)
	p.idPart("code", in.Code)
	p.optionalCode("copy_of", in.CopyOf)
	p.Want(in.CopyOf == "" || pbsm.IsCopiedCode(in.Code), "code", "%q cannot be the code of a copy: 3 to 30 letters, digits, hyphens and underscores", in.Code)
	p.Want(!in.Overwrite || in.CopyOf != "" && in.Direction == Import, "overwrite", "is for the import of a copy")
	p.optionalCode("service_id", in.ServiceID)
	return p.err()
}

// given counts what is given.
func given(conditions ...bool) (n int) {
	for _, one := range conditions {
		if one {
			n++
		}
	}
	return n
}

// Validate names every problem of the input that can be found without a worker.
func (in DeleteFilesInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	byPrefix := len(in.Names) == 0 && in.Prefix != ""
	p.Want(given(len(in.FileIDs) > 0, len(in.Names) > 0, byPrefix, in.SentUntil != "") == 1, "",
		"exactly one of file_ids, names, prefix and sent_until must be given")
	p.Want(!byPrefix || in.Everything, "everything", "is missing: a prefix without names deletes all of its files")
	p.Want(!in.Everything || byPrefix, "everything", "is for a prefix without names")
	for i, id := range in.FileIDs {
		p.Check(fmt.Sprintf("file_ids[%d]", i), httpx.CheckHeaderValue(id))
	}
	for i, name := range in.Names {
		p.Check(fmt.Sprintf("names[%d]", i), httpx.CheckHeaderValue(name))
	}
	if in.SentUntil != "" {
		p.date(in.AsOfDate)
		_, err := pipeline.ParseDate(in.SentUntil)
		p.Check("sent_until", err)
		p.ref("audit", in.Audit)
	}
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in SetAsOfDateInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.idPart("app", in.App)
	if in.User != "" {
		p.Check("user", httpx.CheckHeaderValue(in.User))
	}
	p.date(in.AsOfDate)
	p.optionalCode("service_id", in.ServiceID)
	return p.err()
}

// Validate names every problem of the input that can be found without a worker.
func (in ExportDataInput) Validate() error {
	var p problems
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.zone(in.TimeZone)
	p.idPart("code", in.Code)
	p.Check("run_id", httpx.CheckHeaderValue(in.RunID))
	if in.AsOfDate != "" {
		p.date(in.AsOfDate)
	}
	if p.Want(strings.HasSuffix(in.SaveTo, "/"), "save_to", "%q is no folder: end it with a /", in.SaveTo) {
		p.ref("save_to", in.SaveTo+"x")
	}
	p.optionalCode("service_id", in.ServiceID)
	return p.err()
}
