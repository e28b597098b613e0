package workflows

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// faults collects everything that is wrong with an input, so that one look is enough.
type faults []string

func (f *faults) require(name, value string) {
	if strings.TrimSpace(value) == "" {
		*f = append(*f, name+" is missing")
	}
}

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (f *faults) date(value string) {
	if value == "" {
		*f = append(*f, "as_of_date is missing: it is never today by default")
	} else if _, err := pipeline.ParseDate(value); err != nil {
		f.add("as_of_date: %v", err)
	}
}

func (f *faults) ref(name, value string) {
	if _, _, err := pipeline.ParseRef(value); err != nil {
		f.add("%s %v", name, err)
	}
}

// idPart matches what may stand between the slashes of a workflow id.
var idPart = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

func (f *faults) idPart(name, value string) {
	if value == "" {
		*f = append(*f, name+" is missing")
	} else if !idPart.MatchString(value) {
		f.add("%s %q: letters, digits, dot, hyphen and underscore, at most 200", name, value)
	}
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return failure(InvalidInput, "the input has faults: "+strings.Join(f, "; "), []string(f))
}

// Validate names every fault of the input that shows without asking anybody.
func (in NightlyCloseInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	if in.Pipeline == "" && len(in.Definition) == 0 {
		f.add("pipeline is missing: name one of the worker's folder, or give a whole one as definition")
	}
	if in.Pipeline != "" {
		f.idPart("pipeline", in.Pipeline)
	}
	f.date(in.AsOfDate)
	return f.err()
}

// Validate names every fault of the input that shows without asking anybody.
func (in RunBatchInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	f.idPart("code", in.Code)
	f.date(in.AsOfDate)
	if in.Key != "" {
		f.idPart("key", in.Key)
	}
	if in.Group && len(in.Batches) == 0 && in.RunID == "" {
		f.add("batches is missing: the service takes the as-of date of a group by batch, so name the group's batches")
	}
	if !in.Group && len(in.Batches) > 0 {
		f.add("batches belongs to a group: set group, or leave batches out")
	}
	for i, b := range in.Batches {
		f.require(fmt.Sprintf("batches[%d].code", i), b.Code)
	}
	if in.Group && len(in.IncludedTasks)+len(in.ExcludedTasks)+len(in.HeldTasks) > 0 {
		f.add("included_tasks, excluded_tasks and held_tasks belong to a batch, not to a group")
	}
	if in.Restarts < 0 {
		f.add("restarts is %d: it cannot be less than 0", in.Restarts)
	}
	if _, err := in.restartDelay(); err != nil {
		f.add("restart_delay %q is not a duration such as 90s", in.RestartDelay)
	}
	return f.err()
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

// Validate names every fault of the input that shows without asking anybody.
func (in GenerateReportInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	f.require("code", in.Code)
	f.ref("save_to", in.SaveTo)
	f.expect(in.Expect)
	return f.err()
}

// Validate names every fault of the input that shows without asking anybody.
func (in UploadFileInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	f.ref("file", strings.TrimSuffix(in.File, "/"))
	if in.ListTo != "" {
		f.ref("list_to", in.ListTo)
	}
	switch {
	case !in.isFolder() && in.ListTo != "":
		f.add("list_to is for a folder: end file with a /")
	case in.isFolder() && (in.Name != "" || in.StableFor != "" || in.Expect != nil):
		f.add("name, stable_for and expect are for one file, and %s is a folder", in.File)
	case in.isFolder() && !in.WaitUntil.IsZero() && in.Marker == "":
		f.add("wait_until needs a marker: that a folder is complete cannot be seen from it")
	}
	if in.Marker != "" {
		f.ref("marker", in.Marker)
	}
	if _, err := in.stableFor(); err != nil {
		f.add("stable_for %q is not a duration such as 30s", in.StableFor)
	}
	f.expect(in.Expect)
	return f.err()
}

// Validate names every fault of the input that shows without asking anybody.
func (in DownloadFileInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	if (in.FileID == "") == (in.Name == "") {
		f.add("exactly one of file_id and name says what to download")
	}
	f.ref("save_to", in.SaveTo)
	f.expect(in.Expect)
	return f.err()
}

// Validate names every fault of the input that shows without asking anybody.
func (in MigrateInput) Validate() error {
	var f faults
	f.idPart("connection", in.Connection)
	if in.Direction != Export && in.Direction != Import {
		f.add("direction %q is neither %q nor %q", in.Direction, Export, Import)
	}
	f.idPart("code", in.Code)
	return f.err()
}
