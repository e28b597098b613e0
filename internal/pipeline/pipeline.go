// Package pipeline is the definition of a close: which files to upload, which batches to run, which
// reports to save, and what needs what. It parses, validates and renders definitions, and does nothing
// else: no clock, no network, no files.
//
// A definition is YAML (or JSON, which is YAML):
//
//	name: nightly-close
//	time_zone: America/New_York
//	steps:
//	  - id: ledger
//	    upload: {file: "inbox/gl_{{.AsOfDate}}.csv", wait_until: "01:30"}
//	  - id: allocate
//	    needs: [ledger]
//	    batch: {code: PBSM_ALLOC, restarts: 2, deadline: "05:00"}
//
// Every step has an id and exactly one kind. Steps without needs start at once, the others when all that
// they need is done. A kind is a field of [Step] and a file kind_*.go; nothing else knows what kinds exist.
//
// A time ("05:00") is the next such moment in the pipeline's time zone after the close started; a
// duration ("90m") counts from the start. See [ResolveDeadline]. Strings may contain templates; see
// [Pipeline.Render].
//
// The comments of [Pipeline] and of all fields below it are the text of docs/pipelines.md and of the JSON
// Schema (make generate), and so are the examples above the kinds of steps, which show every key. The tag
// jsonschema says what an editor can check before [Parse] does; format= is one of [Forms]. A key without
// omitempty is required.
package pipeline

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// Names are the pipelines in a folder, in order.
func Names(folder string) (names []string, err error) {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		ending := filepath.Ext(entry.Name())
		name := strings.TrimSuffix(entry.Name(), ending)
		if !entry.IsDir() && slices.Contains(Endings, ending) && IsCode(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// ParamAsOf is the run-time parameter that carries the as-of date, yyyy-mm-dd.
// Source: chapter 10, Execution API.
const ParamAsOf = "$FICMISDATE$"

// Endings are the file extensions of definitions, in the order in which they are tried.
var Endings = []string{".yaml", ".yml", ".json"}

// Pipeline is one definition: what a file of the pipelines folder contains.
type Pipeline struct {
	// Name is the file's name without its extension. It is part of the close's workflow id.
	Name string `json:"name" jsonschema:"format=id"`
	// Calendar names the calendar that gives schedules their business days: a built-in one such as us-bank or target2, or one of
	// pbsm.yaml.
	Calendar string `json:"calendar,omitempty" jsonschema:"format=id"`
	// TimeZone is the IANA name of the zone in which times of day are meant. Default: UTC.
	TimeZone string `json:"time_zone,omitempty" jsonschema:"format=time-zone"`
	// Deadline is when the whole close must be done. It applies to every step that has none of its own.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Audit is where the audit file is written, which says who did what. Two closes that run at the same
	// time must not write the same file. Default: a file beside the first one that a step saves, named
	// after the pipeline, the connection and the date; none if no step saves a file.
	Audit string `json:"audit,omitempty" jsonschema:"format=store/path"`
	// Params are values that a close is started with, by their names.
	Params map[string]Param `json:"params,omitempty" jsonschema_extras:"keys=param"`
	// Include are files of the definition's folder whose params, defaults and steps are added. A file whose name begins
	// with "_" is no pipeline itself.
	Include []string `json:"include,omitempty" jsonschema:"format=part"`
	// Defaults are keys that the steps of a kind have unless they give them themselves.
	Defaults Defaults `json:"defaults,omitzero"`
	// Steps are what the close does, 1 to 1000.
	Steps []Step `json:"steps" jsonschema:"minItems=1,maxItems=1000"`

	places   map[string]position // structural path -> where it is, if it came from a text
	included []string            // the files that were included

	rendered   rendering   // what it was rendered for, if it was
	expansions []Expansion // of the steps, then
	chosen     bool        // it is known which steps run
}

// Location is the time zone in which the pipeline's times are meant.
func (p *Pipeline) Location() (*time.Location, error) {
	if p.TimeZone == "" {
		return time.UTC, nil
	}
	return clock.LoadZone(p.TimeZone)
}
