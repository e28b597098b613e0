package pipeline

import (
	"reflect"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// Step is one node of the pipeline: an id, what it needs, and exactly one kind.
type Step struct {
	// ID is the step's name, unique in the pipeline.
	ID string `json:"id" jsonschema:"format=id"`
	// Needs are the ids of the steps that must be done before this one starts. Without any, it starts
	// at once. The id of a step with each stands for all that come from it.
	Needs []string `json:"needs,omitempty" jsonschema:"uniqueItems=true,format=step"`
	// Each makes one step for each value, and for each combination of values. Their ids are the id and the values:
	// alloc-us. Templates read a value as .Each.NAME.
	Each map[string][]string `json:"each,omitempty" jsonschema_extras:"keys=param,values=value"`
	// AtOnce is how many of the steps that come from Each run at the same time. Those that wait for an operator do not
	// count. Default: all of them.
	AtOnce int `json:"at_once,omitempty" jsonschema:"minimum=0"`
	// When are the as-of dates for which the step runs, by the pipeline's calendar. For others it counts as done for the
	// steps that need it.
	When When `json:"when,omitzero"`
	// Description says in a few words what the step is for.
	Description string `json:"description,omitempty"`
	// Hold keeps the step from beginning until an operator releases it.
	Hold bool `json:"hold,omitempty"`

	// The table of step kinds: each field below is one. Its key names the kind, its type is the action.

	// Upload uploads a file from a store, or all files of a folder.
	Upload *Upload `json:"upload,omitempty" jsonschema:"oneof_required=upload"`
	// Batch runs one batch.
	Batch *Batch `json:"batch,omitempty" jsonschema:"oneof_required=batch"`
	// Group runs a batch group.
	Group *Group `json:"group,omitempty" jsonschema:"oneof_required=group"`
	// Report generates a report and saves it.
	Report *Report `json:"report,omitempty" jsonschema:"oneof_required=report"`
	// Download saves a file that is in the service.
	Download *Download `json:"download,omitempty" jsonschema:"oneof_required=download"`
	// Export exports a migration definition.
	Export *Migration `json:"export,omitempty" jsonschema:"oneof_required=export"`
	// Import imports a migration definition.
	Import *Migration `json:"import,omitempty" jsonschema:"oneof_required=import"`
	// Delete deletes files of the service that earlier closes sent.
	Delete *Delete `json:"delete,omitempty" jsonschema:"oneof_required=delete"`
	// AsOfDate sets the as-of date of a user's preferences.
	AsOfDate *AsOfDate `json:"as_of_date,omitempty" jsonschema:"oneof_required=as_of_date"`
	// ExportData saves the files of a data export.
	ExportData *ExportData `json:"export_data,omitempty" jsonschema:"oneof_required=export_data"`
	// Approve waits for an operator's approval.
	Approve *Approve `json:"approve,omitempty" jsonschema:"oneof_required=approve"`
}

// Kind names what a step does; it is the step's key in a definition.
type Kind string

// action is what a step of one kind does. Each kind implements it in a file of its own, kind_*.go.
type action interface {
	// traits are those keys that other code needs to know about, whatever the kind.
	traits() Traits
	// setDefaults writes out what the rendered keys leave open.
	setDefaults(r rendering)
	// check reports every problem of the rendered keys, beyond those of its traits.
	check(c checker)
}

// Traits are what steps of different kinds have in common. What a step lacks has its zero value.
type Traits struct {
	// Deadline is when the step ends as failed; WaitUntil is how long it waits for its file. [ResolveDeadline]
	// reads both.
	Deadline, WaitUntil string
	// OnFailure, Retries and RetryDelay say what happens when it fails.
	OnFailure  OnFailure
	Retries    int
	RetryDelay Duration
	// SaveTo is the file of a store that the step saves.
	SaveTo string
	// ListTo is the list that it saves of several files.
	ListTo string
	// Files are the files of stores that it reads; some may be empty.
	Files []string
	// Runs is the code that it runs in the service, and Key what tells it from other runs of that code.
	Runs, Key string
	// Expect is what its file must contain.
	Expect *verify.Expect
}

// Traits are the zero value for a step that has no kind, or several.
func (s Step) Traits() Traits {
	if _, a := s.action(); a != nil {
		return a.traits()
	}
	return Traits{}
}

// Kind is empty for a step that has no kind, or several.
func (s Step) Kind() Kind {
	kind, _ := s.action()
	return kind
}

// StoreRefs are the files of stores that the step reads or writes.
func (s Step) StoreRefs() []string {
	t := s.Traits()
	refs := append(slices.Clone(t.Files), t.SaveTo, t.ListTo)
	if t.Expect != nil {
		refs = append(refs, t.Expect.Manifest)
	}
	return slices.DeleteFunc(refs, func(ref string) bool { return ref == "" })
}

func (s Step) action() (found Kind, a action) {
	fields := reflect.ValueOf(s)
	for _, k := range kinds {
		field := fields.Field(k.field)
		switch {
		case field.IsNil():
			continue
		case a != nil:
			return "", nil
		}
		found, a = k.kind, field.Interface().(action)
	}
	return found, a
}

// kinds is the table of step kinds, as read from Step.
var kinds = kindsOf(reflect.TypeFor[Step]())

type kindField struct {
	kind  Kind
	field int
}

// Kinds are all kinds of steps, in order.
func Kinds() (all []Kind) {
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	slices.Sort(all)
	return all
}

func kindNames() string {
	var names []string
	for _, kind := range Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func kindsOf(step reflect.Type) (found []kindField) {
	for i := range step.NumField() {
		if step.Field(i).Type.Implements(reflect.TypeFor[action]()) {
			found = append(found, kindField{Kind(keyOf(step.Field(i))), i})
		}
	}
	return found
}

// keyOf is the key of a struct's field in a definition; empty when it has none.
func keyOf(field reflect.StructField) string {
	key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return key
}
