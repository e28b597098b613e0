package cli

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Ended is the problem of a workflow that ended without success.
func (f *Factory) Ended(id, workflowType string, err error) *Problem {
	var (
		cancelled  *temporal.CanceledError
		terminated *temporal.TerminatedError
		failed     *temporal.ApplicationError
		timeout    *temporal.TimeoutError
	)
	p := &Problem{Code: ExitFailed, ID: id, Ended: true}
	switch {
	case errors.As(err, &failed):
		p.failed(workflowType, failed)
	case errors.As(err, &cancelled):
		p.Code, p.Message = ExitInterrupted, "cancelled"
		p.takeResult(workflowType, cancelled)
	case errors.As(err, &terminated):
		p.Code, p.Message = ExitInterrupted, "terminated in Temporal; what it started at the service was not interrupted"
	case errors.As(err, &timeout):
		p.Message = "timed out (" + timeout.TimeoutType().String() + "); what it started at the service may still run"
	default:
		p.Message = err.Error()
	}
	f.advise(p, workflowType, failed)
	return p
}

func (p *Problem) failed(workflowType string, failed *temporal.ApplicationError) {
	p.Message = failed.Message()
	if failed.Type() == workflows.InvalidInput {
		p.Code, p.Message, p.Problems = ExitUsage, "the input has problems", invalidInput(failed)
		return
	}
	p.takeResult(workflowType, failed)
	switch workflows.EndState(p.Result) {
	case workflows.Interrupted, workflows.Cancelled:
		p.Code = ExitInterrupted
	}
}

type details interface {
	HasDetails() bool
	Details(...any) error
}

// takeResult decodes the result that an error carries.
func (p *Problem) takeResult(workflowType string, from details) {
	result := workflows.NewResult(workflowType)
	if result != nil && from.HasDetails() && from.Details(result) == nil && workflows.EndState(result) != "" {
		p.Result = result
	}
	if r, ok := p.Result.(*workflows.RunBatchResult); ok && p.Message == "cancelled" && len(r.Log) > 0 {
		p.Message = r.Log[len(r.Log)-1].What
	}
}

// advise says what to do next.
func (f *Factory) advise(p *Problem, workflowType string, failed *temporal.ApplicationError) {
	errorType := ""
	if failed != nil {
		errorType = failed.Type()
	}
	add := func(text string) { p.Next = append(p.Next, text) }
	switch {
	case p.Code == ExitUsage || errorType == activities.FileMissing: // the message says it all
	case errorType == workflows.DeadlinePassed:
		add("The run may still be running: check the service's screen Monitor Batch before you start it again.")
		if r, ok := p.Result.(*workflows.RunBatchResult); ok && r.RunID != "" {
			add("To follow that run: " + f.Starter("batch run ... --run-id "+r.RunID))
		}
	case workflowType == workflows.NightlyCloseType:
		add("When the cause is fixed, start it again; what succeeded and still holds is kept:")
		add("  " + f.Starter(closeArguments(p.Result)))
	case workflowType == workflows.RunBatchType && p.Code == ExitFailed:
		add("When the cause is fixed, the same command submits the batch again.")
	case p.Code == ExitFailed:
		add("Repeat the command when the cause is fixed.")
	}
}

// closeArguments are those of the command that starts a close again.
func closeArguments(result any) string {
	r, ok := result.(*workflows.NightlyCloseResult)
	if !ok || r.Pipeline == "" { // it failed before its pipeline was read
		return "close --connection C --pipeline NAME|FILE --as-of DATE"
	}
	arguments := []string{"close", "--connection", r.Connection, "--pipeline", r.Pipeline, "--as-of", r.AsOfDate}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		arguments = append(arguments, "--param", shellWord(name+"="+r.Params[name]))
	}
	if r.Key != "" {
		arguments = append(arguments, "--key", r.Key)
	}
	return strings.Join(arguments, " ")
}

var plainWord = regexp.MustCompile(`^[\w.,:/=@%+-]+$`)

// shellWord quotes a text where a shell would read it as more than one word.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
