package workflows

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

// Types of the application errors with which workflows fail. A workflow may also fail with an error of an
// activity, such as activities.Refused or FileMissing.
const (
	// InvalidInput: the input has problems. Details: every problem, as []string.
	InvalidInput = activities.InvalidInput
	// BatchFailed: the service refused the trigger, or the run failed and nobody is asked about it. Details: RunBatchResult.
	BatchFailed = "BatchFailed"
	// GivenUp: an operator ended it as failed. Details of a batch: RunBatchResult.
	GivenUp = "GivenUp"
	// OtherBasis: a batch with the same id is running, but for something else.
	OtherBasis = "OtherBasis"
	// DeadlinePassed: the deadline passed; the run may still be going. Details of a batch: RunBatchResult.
	DeadlinePassed = "DeadlinePassed"
	// VerificationFailed: a file does not hold what is expected. The message has both figures.
	VerificationFailed = activities.VerificationFailed
	// StepFailed: a report, a migration or an upload failed at the service.
	StepFailed = "StepFailed"
	// CloseFailed: steps of the close failed or were not run. Details: NightlyCloseResult.
	CloseFailed = "CloseFailed"
)

// failure returns an error of one of the types above, which is not retried.
func failure(errorType, message string, details ...any) error {
	return temporal.NewNonRetryableApplicationError(message, errorType, nil, details...)
}

// errorType is the type of the application error in err, or empty.
func errorType(err error) string {
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		return failed.Type()
	}
	return ""
}

// reason is the part of an error that is for the operator: the innermost message.
func reason(err error) string {
	var (
		failed  *temporal.ApplicationError
		timeout *temporal.TimeoutError
	)
	switch {
	case errors.As(err, &failed):
		return failed.Message()
	case errors.As(err, &timeout):
		return "no answer in time (" + timeoutName(timeout) + ")"
	case temporal.IsCanceledError(err):
		return "cancelled"
	}
	return err.Error()
}

// detailsOf reads the result that a workflow's error carries, and reports whether there was one.
func detailsOf(err error, result any) bool {
	var (
		failed    *temporal.ApplicationError
		cancelled *temporal.CanceledError
	)
	switch {
	case errors.As(err, &failed):
		return failed.HasDetails() && failed.Details(result) == nil
	case errors.As(err, &cancelled):
		return cancelled.HasDetails() && cancelled.Details(result) == nil
	}
	return false
}

func timeoutName(t *temporal.TimeoutError) string {
	return strings.ToLower(strings.ReplaceAll(t.TimeoutType().String(), "_", " "))
}

// deadlineHit reports whether an activity ended because of its deadline: by a timeout, or because the next
// poll would have come after it.
func deadlineHit(err error) bool {
	if passed := (*deadlineError)(nil); errors.As(err, &passed) {
		return true
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
	}
	return errorType(err) == activities.StillWaiting
}

// lastTried is what the error of an activity that ended because of its deadline says of the last attempt, as the end
// of a sentence.
func lastTried(err error) string {
	if passed := (*deadlineError)(nil); errors.As(err, &passed) {
		return prefixed("; last: ", passed.last)
	}
	return ""
}

// refusalCode is the service's code in a final error, or empty.
func refusalCode(err error) string {
	var failed *temporal.ApplicationError
	var refusal activities.Refusal
	if errors.As(err, &failed) && failed.HasDetails() && failed.Details(&refusal) == nil {
		return refusal.Code
	}
	return ""
}
