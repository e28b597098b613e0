package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// PreparePipelineInput names a pipeline of the worker's folder, or holds one whole.
type PreparePipelineInput struct {
	Connection string `json:"connection"`
	// Name is a file in the pipelines folder, without its ending.
	Name string `json:"name,omitempty"`
	// Definition is a whole pipeline: a JSON object, or a string of YAML.
	Definition json.RawMessage `json:"definition,omitempty"`
	AsOfDate   string          `json:"as_of_date"`
	// StartedAt is when the close started: deadlines are counted from it.
	StartedAt time.Time `json:"started_at"`
}

// Plan is a pipeline rendered for a night, with every time of day turned into a moment.
type Plan struct {
	Name string `json:"name"`
	// Deadline is the whole close's. Zero: none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Audit is the "store/path" of the audit file; empty: none is written.
	Audit string     `json:"audit,omitempty"`
	Steps []PlanStep `json:"steps"`
	// NotifyOn are the events that a channel of this worker wants to be told of.
	NotifyOn []string `json:"notify_on,omitempty"`
}

// PlanStep is a step of a plan.
type PlanStep struct {
	Step      pipeline.Step `json:"step"`
	Kind      pipeline.Kind `json:"kind"`
	Deadline  time.Time     `json:"deadline,omitzero"`
	WaitUntil time.Time     `json:"wait_until,omitzero"`
}

var pipelineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// PreparePipeline parses, validates and renders a pipeline for a night. Every problem is
// named at once, a connection or store that this worker does not know among them.
func (a *Activities) PreparePipeline(ctx context.Context, in PreparePipelineInput) (*Plan, error) {
	text, err := a.pipelineText(ctx, in)
	if err != nil {
		return nil, err
	}
	var problems []string
	switch problem, err := a.connectionHere(ctx, in.Connection); {
	case err != nil:
		return nil, err
	case problem != "":
		problems = append(problems, problem)
	}
	rendered, err := prepare(text, in)
	if err != nil {
		return nil, InvalidInputError(append(problems, problem.Texts(err)...)...)
	}
	unknown, unreachable := a.storeProblems(ctx, rendered)
	switch problems = append(problems, unknown...); {
	case len(problems) > 0:
		return nil, InvalidInputError(append(problems, unreachable...)...)
	case len(unreachable) > 0:
		return nil, unavailableAtFirst(ctx, unreachable...)
	}
	plan, err := newPlan(rendered, in.StartedAt)
	if err == nil {
		plan.NotifyOn = a.channels.Events(in.Connection)
	}
	return plan, err
}

func newPlan(p *pipeline.Pipeline, startedAt time.Time) (*Plan, error) {
	location, err := p.Location()
	if err != nil {
		return nil, err
	}
	var errs []error
	moment := func(text string) time.Time {
		at, err := pipeline.ResolveDeadline(startedAt, text, location)
		errs = append(errs, err)
		return at
	}
	plan := &Plan{Name: p.Name, Deadline: moment(p.Deadline), Audit: p.Audit}
	for _, s := range p.Steps {
		traits := s.Traits()
		plan.Steps = append(plan.Steps, PlanStep{
			Step:      s,
			Kind:      s.Kind(),
			Deadline:  moment(traits.Deadline),
			WaitUntil: moment(traits.WaitUntil),
		})
	}
	return plan, errors.Join(errs...)
}

// storeAttempts is how often a store, or the pipelines folder, is tried, over some fifteen seconds, before a
// night fails for it: what is away for a moment is no problem of the input.
const storeAttempts = 5

// unavailableAtFirst is for what may be there at the next attempt. At the last one it is refused: a night that has
// not begun would wait for it unseen.
func unavailableAtFirst(ctx context.Context, problems ...string) error {
	if activity.GetInfo(ctx).Attempt < storeAttempts {
		return temporal.NewApplicationError(strings.Join(problems, "; "), Unavailable)
	}
	return InvalidInputError(problems...)
}

// unknownStore is the error of a job's first look at a store. A store that this worker does not have may be
// in the configuration of one that is deployed right now; a name that is wrong stays wrong.
// Behind the attempt at which that is refused the worker is wrong, not the name: another one had the store.
func unknownStore(ctx context.Context, err error) error {
	var wrong *stores.ReferenceError
	switch {
	case !errors.As(err, &wrong):
		return err
	case activity.GetInfo(ctx).Attempt > storeAttempts:
		return temporal.NewApplicationError(wrong.Message, Unavailable)
	}
	return unavailableAtFirst(ctx, wrong.Message)
}

// storeProblems looks at every store that the pipeline uses, before anything is moved.
func (a *Activities) storeProblems(ctx context.Context, p *pipeline.Pipeline) (unknown, unreachable []string) {
	known := a.stores.Names()
	check := func(what, ref string) {
		store, _, _ := strings.Cut(ref, "/")
		err := a.stores.Check(ctx, store)
		if err == nil {
			return
		}
		problems := &unreachable
		if !slices.Contains(known, store) {
			problems = &unknown
		}
		problem := fmt.Sprintf("%s: %v", what, err)
		if !slices.Contains(*problems, problem) { // a step can have several files in one store
			*problems = append(*problems, problem)
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
	return unknown, unreachable
}

func prepare(text []byte, in PreparePipelineInput) (*pipeline.Pipeline, error) {
	date, err := pipeline.ParseDate(in.AsOfDate)
	if err != nil {
		return nil, err
	}
	parsed, err := pipeline.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := parsed.Validate(); err != nil {
		return nil, err
	}
	return parsed.Render(date, pipeline.Vars{Connection: in.Connection})
}

func (a *Activities) pipelineText(ctx context.Context, in PreparePipelineInput) ([]byte, error) {
	if len(in.Definition) > 0 && string(in.Definition) != "null" { // which is how some languages leave a key out
		return definitionText(in.Definition)
	}
	if !pipelineName.MatchString(in.Name) {
		return nil, InvalidInputError(fmt.Sprintf("pipeline %q is not a name: letters, digits, dot, hyphen and underscore", in.Name))
	}
	for _, ending := range pipeline.Endings {
		text, err := os.ReadFile(filepath.Join(a.pipelines, in.Name+ending))
		if err == nil {
			return text, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, unavailableAtFirst(ctx, fmt.Sprintf("pipeline %s: %v", in.Name, err))
		}
	}
	known := cmp.Or(strings.Join(pipelineNames(a.pipelines), ", "), "none")
	return nil, InvalidInputError(fmt.Sprintf("pipeline %q is not in the worker's pipelines folder (worker.pipelines), which has %s", in.Name, known))
}

// pipelineNames are the pipelines in a folder, in order; none where it cannot be read.
func pipelineNames(folder string) (names []string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		name, ending := strings.TrimSuffix(entry.Name(), filepath.Ext(entry.Name())), filepath.Ext(entry.Name())
		if !entry.IsDir() && slices.Contains(pipeline.Endings, ending) && pipelineName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func definitionText(definition json.RawMessage) ([]byte, error) {
	if definition[0] != '"' {
		return definition, nil
	}
	var text string
	if err := json.Unmarshal(definition, &text); err != nil {
		return nil, InvalidInputError("definition is neither an object nor a text: " + err.Error())
	}
	return []byte(text), nil
}
