package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// PreparePipelineInput names a pipeline in the worker's folder, or contains one.
type PreparePipelineInput struct {
	Connection string `json:"connection"`
	// Name is a file in the pipelines folder, without its ending.
	Name string `json:"name,omitempty"`
	// Definition is a whole pipeline: a JSON object, or a string of YAML.
	Definition json.RawMessage `json:"definition,omitempty"`
	AsOfDate   string          `json:"as_of_date"`
	// Params and Key are those of the start.
	Params map[string]string `json:"params,omitempty"`
	Key    string            `json:"key,omitempty"`
	// StartedAt is when the close started: deadlines are counted from it.
	StartedAt time.Time `json:"started_at"`
}

// Plan is a pipeline rendered for one as-of date, with every time of day resolved to a point in time.
type Plan struct {
	Name string `json:"name"`
	// Key tells the close from others for the same date, and Params are all parameters.
	Key    string            `json:"key,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	// Deadline is that of the close. Zero: none.
	Deadline time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA name of the zone in which the pipeline's times are meant; empty: UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Audit is the "store/path" of the audit file; empty: no audit file.
	Audit string     `json:"audit,omitempty"`
	Steps []PlanStep `json:"steps"`
	// NotifyOn are the events that a channel of this worker wants.
	NotifyOn []string `json:"notify_on,omitempty"`
	// Definition is what the plan was rendered from, and PreparedBy the worker that did it.
	Definition Definition   `json:"definition,omitzero"`
	PreparedBy audit.Sender `json:"prepared_by,omitzero"`
}

// Definition identifies the text of a pipeline.
type Definition struct {
	// From is "pipelines folder, NAME.yaml", or SentAlong.
	From string `json:"from"`
	// SHA256 is that of the text: of the file's bytes, of the YAML that was sent, or of a JSON object as Temporal keeps
	// it, without blanks.
	SHA256 string `json:"sha256"`
	// Includes are the SHA-256 of the files that it includes, by name.
	Includes map[string]string `json:"includes,omitempty"`
}

// SentAlong is where a definition came from that is in the input of its close.
const SentAlong = "sent along with the start"

// PlanStep is a step of a plan.
type PlanStep struct {
	Step pipeline.Step `json:"step"`
	Kind pipeline.Kind `json:"kind"`
	// Of is the id in the definition, of a step that is one of several; AtOnce of them run at the same time, 0 means
	// all.
	Of     string `json:"of,omitempty"`
	AtOnce int    `json:"at_once,omitempty"`
	// NotTonight is why the step does not run for the as-of date; no other step needs it then.
	NotTonight string    `json:"not_tonight,omitempty"`
	Deadline   time.Time `json:"deadline,omitzero"`
	WaitUntil  time.Time `json:"wait_until,omitzero"`
}

// PreparePipeline parses, validates and renders a pipeline. The error has all problems, including unknown
// connections and stores. A store that is away is no problem of the input: the steps that need it wait, and ask.
func (a *Activities) PreparePipeline(ctx context.Context, in PreparePipelineInput) (*Plan, error) {
	text, from, err := a.pipelineText(in)
	if err != nil {
		return nil, err
	}
	var problems []string
	queue := ConnectionTaskQueue(activity.GetInfo(ctx).TaskQueue, in.Connection)
	switch problem, err := a.connectionProblem(ctx, in.Connection, queue); {
	case err != nil:
		return nil, err
	case problem != "":
		problems = append(problems, problem)
	}
	folder := &hashingFolder{FS: os.DirFS(a.pipelines), sums: map[string]string{}}
	rendered, err := prepare(text, in, folder, a.calendars)
	if folder.away != nil {
		return nil, unreadablePipeline(in.Name, folder.away)
	}
	if err != nil {
		return nil, InvalidInputError(append(problems, problem.Texts(err)...)...)
	}
	if conn, ok := a.connections[in.Connection]; ok && !conn.config.GroupDate {
		undated, _ := rendered.UndatedGroups()
		problems = append(problems, undated...)
	}
	problems = append(problems, a.unprovable(rendered)...)
	if problems = append(problems, a.unknownStores(rendered)...); len(problems) > 0 {
		return nil, InvalidInputError(problems...)
	}
	plan, err := NewPlan(rendered, in.StartedAt)
	if err == nil {
		plan.NotifyOn = a.channels.Events(in.Connection)
		plan.Definition = Definition{From: from, SHA256: fmt.Sprintf("%x", sha256.Sum256(text)), Includes: folder.sums}
		plan.PreparedBy = a.sender(in.Connection)
	}
	return plan, err
}

// NewPlan is the plan of a rendered pipeline for a close that started then.
func NewPlan(p *pipeline.Pipeline, startedAt time.Time) (*Plan, error) {
	location, err := p.Location()
	if err != nil {
		return nil, err
	}
	var errs []error
	moment := func(text string) time.Time {
		at, err := clock.ResolveDeadline(startedAt, text, location)
		errs = append(errs, err)
		return at
	}
	plan := &Plan{Name: p.Name, Key: p.Key(), Params: p.Values(), Deadline: moment(p.Deadline), TimeZone: p.TimeZone, Audit: p.Audit}
	for i, s := range p.Steps {
		traits, from := s.Traits(), p.Expansion(i)
		plan.Steps = append(plan.Steps, PlanStep{
			Step:       s,
			Kind:       s.Kind(),
			Of:         from.Of,
			AtOnce:     from.AtOnce,
			NotTonight: from.NotTonight,
			Deadline:   moment(traits.Deadline),
			WaitUntil:  moment(traits.WaitUntil),
		})
	}
	return plan, errors.Join(errs...)
}

// storeAttempts is how often an unknown store is looked for before it is refused: about fifteen seconds.
const storeAttempts = 5

// unknownStore classifies the error of a workflow's first access to a store. A store that this worker does not
// have may be in the configuration of one that is being deployed; a wrong name stays wrong. After the attempt
// that would refuse it, the worker is wrong and not the name: another worker had the store.
func unknownStore(ctx context.Context, err error) error {
	var wrong *stores.ReferenceError
	switch {
	case !errors.As(err, &wrong):
		return err
	case activity.GetInfo(ctx).Attempt == storeAttempts:
		return InvalidInputError(wrong.Message)
	}
	return temporal.NewApplicationError(wrong.Message, Unavailable)
}

// unknownStores names the stores that the pipeline uses and this worker does not have.
func (a *Activities) unknownStores(p *pipeline.Pipeline) (problems []string) {
	check := func(what, ref string) {
		store, _, _ := strings.Cut(ref, "/")
		err := a.stores.Known(store)
		if err == nil {
			return
		}
		problem := fmt.Sprintf("%s: %v", what, err)
		if !slices.Contains(problems, problem) { // a step can have several files in one store
			problems = append(problems, problem)
		}
	}
	for _, s := range p.Steps {
		for _, ref := range s.StoreRefs() {
			check("step "+s.ID, ref)
		}
	}
	if p.Audit != "" {
		check("audit", p.Audit)
	}
	return problems
}

// unprovable names the steps that nobody could approve, because this worker cannot prove a name.
func (a *Activities) unprovable(p *pipeline.Pipeline) (problems []string) {
	for _, s := range p.Steps {
		if s.Approve != nil && len(s.Approve.By) > 0 && !a.verifier.HasKeys() {
			problems = append(problems, fmt.Sprintf("step %s: by needs names that are proved, and this worker has no keys for that: "+
				"set commands.keys in its configuration", s.ID))
		}
	}
	return problems
}

// hashingFolder notes the SHA-256 of each file that is read whole: what a definition includes; and why one that may be
// there cannot be read, which is no mistake of the definition.
type hashingFolder struct {
	fs.FS
	sums map[string]string
	away error
}

// ReadFile implements [fs.ReadFileFS].
func (f *hashingFolder) ReadFile(name string) ([]byte, error) {
	text, err := fs.ReadFile(f.FS, name)
	switch {
	case err == nil:
		f.sums[name] = fmt.Sprintf("%x", sha256.Sum256(text))
	case !errors.Is(err, fs.ErrNotExist):
		f.away = err
	}
	return text, err
}

func prepare(
	text []byte, in PreparePipelineInput, folder fs.FS, calendars calendar.Calendars,
) (*pipeline.Pipeline, error) {
	date, err := pipeline.ParseDate(in.AsOfDate)
	if err != nil {
		return nil, err
	}
	parsed, err := pipeline.ParseIn(text, folder)
	if err != nil {
		return nil, err
	}
	return parsed.Render(date, pipeline.Vars{Connection: in.Connection, Params: in.Params, Key: in.Key, Calendars: calendars})
}

// pipelineText is the text of a definition, and where it came from.
func (a *Activities) pipelineText(in PreparePipelineInput) (text []byte, from string, err error) {
	switch sent := len(in.Definition) > 0 && string(in.Definition) != "null"; { // some languages send null for a key that is not set
	case sent && a.definitions == config.FolderDefinitions:
		return nil, "", InvalidInputError("definition: this worker runs only the pipelines of its folder " +
			"(worker.definitions: folder); put the definition there, and start the close with its name")
	case sent:
		text, err = definitionText(in.Definition)
		return text, SentAlong, err
	}
	if !pipeline.IsCode(in.Name) {
		return nil, "", InvalidInputError(fmt.Sprintf(
			"%q is not the name of a pipeline (letters, digits, dot, hyphen and underscore)", in.Name))
	}
	for _, ending := range pipeline.Endings {
		text, err := os.ReadFile(filepath.Join(a.pipelines, in.Name+ending))
		if err == nil {
			return text, "pipelines folder, " + in.Name + ending, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", unreadablePipeline(in.Name, err)
		}
	}
	names, err := pipeline.Names(a.pipelines)
	if err != nil {
		return nil, "", unreadablePipeline(in.Name, err)
	}
	known := cmp.Or(strings.Join(names, ", "), "none")
	return nil, "", InvalidInputError(fmt.Sprintf(
		"pipeline %q is not in the worker's pipelines folder (worker.pipelines), which has %s", in.Name, known))
}

// unreadablePipeline is an outage of the pipelines folder: the close begins once it is over.
func unreadablePipeline(name string, err error) error {
	message := fmt.Sprintf("pipeline %s cannot be read from the worker's pipelines folder (worker.pipelines): %v", name, err)
	return temporal.NewApplicationError(message, Unavailable)
}

func definitionText(definition json.RawMessage) ([]byte, error) {
	if definition[0] != '"' {
		return definition, nil
	}
	var text string
	if err := json.Unmarshal(definition, &text); err != nil {
		return nil, InvalidInputError("definition must be an object or a text: " + err.Error())
	}
	return []byte(text), nil
}
