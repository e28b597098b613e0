package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	problems "github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Exit codes. They are stable: scripts and schedulers decide by them.
const (
	exitDone        = 0 // done, or done already
	exitFailed      = 1 // the job failed
	exitUsage       = 2 // bad usage or input, or a request that does not apply
	exitWaiting     = 3 // a person is asked
	exitInterrupted = 4 // interrupted or cancelled
	exitUnreachable = 5 // cannot reach Temporal, or no worker tells
)

const exitCodesHelp = `Exit codes:
  0  done, or done already
  1  the job failed
  2  bad usage or input, or a request that does not apply
  3  the job waits for an operator
  4  interrupted or cancelled; with Ctrl-C only the following ended, the job goes on
  5  cannot reach Temporal, or no worker answers, or the answer cannot be read here`

// problem is an error as the operator gets to see it.
type problem struct {
	code    int
	message string
	faults  []string // everything that is wrong with an input
	next    []string // what can be done
	id      string   // the workflow's, where there is one
	result  any      // what the workflow had to say about its end
	over    bool     // it is the end of a workflow
	// document is what --output json prints instead of the problem.
	document any
	// shown: the text was on the screen already.
	shown bool
}

func (p *problem) Error() string { return p.message }

func usage(format string, args ...any) *problem {
	return &problem{code: exitUsage, message: fmt.Sprintf(format, args...)}
}

// asProblem gives an error of any kind its exit code.
func asProblem(err error) *problem {
	var (
		known     *problem
		faults    problems.List
		namespace *serviceerror.NamespaceNotFound
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &faults):
		return &problem{code: exitUsage, message: "the pipeline has faults", faults: faults.Texts()}
	case errors.Is(err, context.Canceled):
		return &problem{code: exitInterrupted, message: "stopped"}
	case errors.Is(err, workflows.ErrIDTaken):
		return &problem{code: exitUsage, message: err.Error()}
	case errors.As(err, &namespace):
		return &problem{code: exitUsage, message: err.Error(), next: []string{"Set TEMPORAL_NAMESPACE to one that exists."}}
	case errors.Is(err, temporalclient.ErrUnreachable):
		return &problem{code: exitUnreachable, message: err.Error(), next: []string{temporalclient.WhatToCheck}}
	case temporalclient.Unavailable(err):
		return &problem{code: exitUnreachable, message: "cannot reach Temporal: " + temporalclient.Reason(err), next: []string{temporalclient.WhatToCheck}}
	}
	return &problem{code: exitFailed, message: err.Error()}
}

// answered is the problem of what Temporal refused. Where it did not answer, that is the problem.
func answered(err error, refused *problem) error {
	if temporalclient.Unavailable(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return refused
}

// stopped makes of a call that ended with ctx the end of ctx: the SDK tells it like one that the server cut.
func stopped(ctx context.Context, err error) error {
	var cut *serviceerror.Canceled
	if ctx.Err() != nil && (errors.As(err, &cut) || errors.Is(err, temporalclient.ErrUnreachable)) {
		return ctx.Err()
	}
	return err
}

// inputProblem is the problem of an input that the workflow's own validation refuses.
func inputProblem(err error) error {
	if err == nil {
		return nil
	}
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		return &problem{code: exitUsage, message: "the input has faults", faults: invalidFaults(failed)}
	}
	return err
}

func invalidFaults(failed *temporal.ApplicationError) []string {
	var faults []string
	if failed.HasDetails() && failed.Details(&faults) == nil && len(faults) > 0 {
		return faults
	}
	return []string{failed.Message()}
}

// ended is the problem of a workflow that ended without success. result is what
// its type decodes into; it is filled from the error's details.
func ended(id, workflowType string, err error) *problem {
	var (
		cancelled  *temporal.CanceledError
		terminated *temporal.TerminatedError
		failed     *temporal.ApplicationError
		timeout    *temporal.TimeoutError
	)
	p := &problem{code: exitFailed, id: id, over: true}
	switch {
	case errors.As(err, &failed):
		p.failed(workflowType, failed)
	case errors.As(err, &cancelled):
		p.code, p.message = exitInterrupted, "cancelled"
		p.take(workflowType, cancelled)
	case errors.As(err, &terminated):
		p.code, p.message = exitInterrupted, "terminated by an operator of Temporal; what it had started at the service was not interrupted"
	case errors.As(err, &timeout):
		p.message = "its time was over (" + timeout.TimeoutType().String() + "); what it had started at the service may still run"
	default:
		p.message = err.Error()
	}
	p.advise(workflowType, failed)
	return p
}

func (p *problem) failed(workflowType string, failed *temporal.ApplicationError) {
	p.message = failed.Message()
	if failed.Type() == workflows.InvalidInput {
		p.code, p.message, p.faults = exitUsage, "the input has faults", invalidFaults(failed)
		return
	}
	p.take(workflowType, failed)
	switch workflows.EndState(p.result) {
	case workflows.Interrupted, workflows.Cancelled:
		p.code = exitInterrupted
	}
}

type details interface {
	HasDetails() bool
	Details(...any) error
}

// take reads the result that an error carries.
func (p *problem) take(workflowType string, from details) {
	result := workflows.NewResult(workflowType)
	if result != nil && from.HasDetails() && from.Details(result) == nil && workflows.EndState(result) != "" {
		p.result = result
	}
	if r, ok := p.result.(*workflows.RunBatchResult); ok && p.message == "cancelled" && len(r.Log) > 0 {
		p.message = r.Log[len(r.Log)-1].What
	}
}

// advise says what to do next.
func (p *problem) advise(workflowType string, failed *temporal.ApplicationError) {
	errorType := ""
	if failed != nil {
		errorType = failed.Type()
	}
	add := func(text string) { p.next = append(p.next, text) }
	switch {
	case p.code == exitUsage || errorType == activities.FileMissing: // the message says it all
	case errorType == workflows.DeadlinePassed:
		add("The remote job may still run: look at the service's own screens before it is started again.")
		if r, ok := p.result.(*workflows.RunBatchResult); ok && r.RunID != "" {
			add("To follow that run: starter batch run ... --run-id " + r.RunID)
		}
	case workflowType == workflows.NightlyCloseType:
		add("Give the same command again when the cause is gone: batches that succeeded are not run again.")
	case workflowType == workflows.RunBatchType && p.code == exitFailed:
		add("When the cause is gone, the same command posts the batch again.")
	case p.code == exitFailed:
		add("Give the same command again when the cause is gone.")
	}
}
