package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	problems "github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Exit codes. They are stable: scripts and schedulers depend on them.
const (
	ExitDone        = 0 // done, or done already
	ExitFailed      = 1 // the workflow failed
	ExitUsage       = 2 // bad usage or input, or a command that does not apply
	ExitWaiting     = 3 // an operator is asked
	ExitInterrupted = 4 // interrupted or cancelled
	ExitUnreachable = 5 // Temporal cannot be reached, or no worker answers
)

// ExitCodesHelp is the part of a help text that lists the exit codes.
const ExitCodesHelp = `Exit codes:
  0  done, or done already
  1  the workflow failed
  2  bad usage or input, or a command that does not apply
  3  the workflow waits for an operator
  4  interrupted or cancelled; Ctrl-C ends only the following of a workflow
  5  Temporal cannot be reached, or no worker answers, or the answer cannot
     be read here`

// Problem is an error as the operator sees it.
type Problem struct {
	Code     int
	Message  string
	Problems []string // everything that is wrong with an input
	Next     []string // what can be done
	ID       string   // of the workflow, where there is one
	Result   any      // of the workflow, where its error carries one
	Ended    bool     // the workflow has ended
	// Document is what --output json prints instead of the problem.
	Document any
	// Shown is set when the text is on the screen already.
	Shown bool
}

func (p *Problem) Error() string { return p.Message }

// NewProblem is a problem with an exit code.
func NewProblem(code int, format string, args ...any) *Problem {
	return &Problem{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Usage is the problem of a command that was not used as it must be.
func Usage(format string, args ...any) *Problem { return NewProblem(ExitUsage, format, args...) }

// Failed is the problem of something that did not work.
func Failed(format string, args ...any) *Problem { return NewProblem(ExitFailed, format, args...) }

// Of names the workflow or schedule that the problem is about.
func (p *Problem) Of(id string) *Problem {
	p.ID = id
	return p
}

// Then says what can be done.
func (p *Problem) Then(next ...string) *Problem {
	p.Next = append(p.Next, next...)
	return p
}

// Listing is a problem that consists of several; nil without any.
func Listing(code int, message string, found []string) error {
	if len(found) == 0 {
		return nil
	}
	return &Problem{Code: code, Message: message, Problems: found}
}

// AsProblem gives an error of any kind its exit code.
func AsProblem(err error) *Problem {
	var (
		known     *Problem
		list      problems.List
		namespace *serviceerror.NamespaceNotFound
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &list):
		return &Problem{Code: ExitUsage, Message: "the pipeline has problems", Problems: list.Texts()}
	case errors.Is(err, context.Canceled):
		return NewProblem(ExitInterrupted, "stopped")
	case errors.Is(err, workflows.ErrIDTaken):
		return Usage("%v", err)
	case errors.As(err, &namespace):
		return Usage("%v", err).Then("Set TEMPORAL_NAMESPACE to one that exists.")
	case errors.Is(err, temporalclient.ErrUnreachable):
		return NewProblem(ExitUnreachable, "%v", err).Then(temporalclient.WhatToCheck)
	case temporalclient.Unavailable(err):
		return NewProblem(ExitUnreachable, "cannot reach Temporal: %s", temporalclient.Reason(err)).
			Then(temporalclient.WhatToCheck)
	}
	return Failed("%v", err)
}

// OrUnavailable returns refused for an error with which Temporal refused a call, and the error itself
// where Temporal did not answer.
func OrUnavailable(err error, refused *Problem) error {
	if temporalclient.Unavailable(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return refused
}

// Stopped returns the end of ctx for a call that ended with it: the SDK's error is the same as for a
// call that the server cut.
func Stopped(ctx context.Context, err error) error {
	var cut *serviceerror.Canceled
	if ctx.Err() != nil && (errors.As(err, &cut) || errors.Is(err, temporalclient.ErrUnreachable)) {
		return ctx.Err()
	}
	return err
}

// InputProblem is the problem of an input that its Validate refuses.
func InputProblem(err error) error {
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		return &Problem{Code: ExitUsage, Message: "the input has problems", Problems: invalidInput(failed)}
	}
	return err
}

// InputFlags is InputProblem with the flags in place of the fields that they fill, as pairs.
func InputFlags(err error, fieldsAndFlags ...string) error {
	p := AsProblem(InputProblem(err))
	flags := strings.NewReplacer(fieldsAndFlags...)
	for i, text := range p.Problems {
		p.Problems[i] = flags.Replace(text)
	}
	return p
}

func invalidInput(failed *temporal.ApplicationError) []string {
	var texts []string
	if failed.HasDetails() && failed.Details(&texts) == nil && len(texts) > 0 {
		return texts
	}
	return []string{failed.Message()}
}

// Report shows a problem and returns its exit code.
func (f *Factory) Report(p *Problem) int {
	if f.JSON() {
		if p.Document == nil {
			p.Document = p.document()
		}
		f.PrintJSON(p.Document)
		return p.Code
	}
	if p.Result != nil {
		f.Print(f.Style.Result(p.Result, f.Width())...)
	}
	if !p.Shown {
		f.Note("%s", p.line())
	}
	for _, text := range p.Problems {
		f.Note("  %s", strings.ReplaceAll(text, "\n", "\n  "))
	}
	for _, next := range p.Next {
		f.Note("%s", next)
	}
	return p.Code
}

// ReportCancelled shows the end of a workflow that was to be cancelled, which is a success, and returns
// any other error.
func (f *Factory) ReportCancelled(err error) error {
	var p *Problem
	if !errors.As(err, &p) || !p.Ended {
		return err
	}
	return f.Show(p.document(), append(f.Style.Result(p.Result, f.Width()), p.line())...)
}

func (p *Problem) line() string {
	if p.ID == "" {
		return "starter: " + p.Message
	}
	return p.ID + ": " + p.Message
}

// ProblemDocument is what --output json prints when there is no result to print.
type ProblemDocument struct {
	Error      string   `json:"error"`
	Problems   []string `json:"problems,omitempty"`
	Next       []string `json:"next,omitempty"`
	WorkflowID string   `json:"workflow_id,omitempty"`
	Result     any      `json:"result,omitempty"`
	ExitCode   int      `json:"exit_code"`
}

func (p *Problem) document() ProblemDocument {
	return ProblemDocument{
		Error:      p.Message,
		Problems:   p.Problems,
		Next:       p.Next,
		WorkflowID: p.ID,
		Result:     view.Document(p.Result),
		ExitCode:   p.Code,
	}
}
