package workflows

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

// Types of the application errors with which workflows fail. Those of the
// activities (Refused, FileMissing) reach the outside as well.
const (
	// InvalidInput: the input has problems. Details: every problem, as []string.
	InvalidInput = activities.InvalidInput
	// BatchFailed: a run ended without success and nobody made it good. Details: RunBatchResult.
	BatchFailed = "BatchFailed"
	// GivenUp: a person ended it. Details: RunBatchResult, of a batch.
	GivenUp = "GivenUp"
	// DeadlinePassed: the patience is over; the remote job may still run. Details: RunBatchResult, of a batch.
	DeadlinePassed = "DeadlinePassed"
	// VerificationFailed: a file does not hold what is expected of it. The message names both figures.
	VerificationFailed = activities.VerificationFailed
	// StepFailed: a report or a migration failed on the service's side.
	StepFailed = "StepFailed"
	// CloseFailed: a night ended with steps that failed or did not run. Details: NightlyCloseResult.
	CloseFailed = "CloseFailed"
)

// failure makes a final error of one of the types above.
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

// reason is what a person should read of an error: the innermost message, without the wrapping.
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

// detailsOf reads the result that a workflow's error carries. It tells whether there was one.
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

// deadlineHit tells that an activity ended because the job's deadline passed: by a timeout, or
// by a wait whose next look would have come too late.
func deadlineHit(err error) bool {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
	}
	return errorType(err) == activities.StillWaiting
}

// refusalCode is the service's code in a final error, or empty.
func refusalCode(err error) string {
	var failed *temporal.ApplicationError
	var said activities.Refusal
	if errors.As(err, &failed) && failed.HasDetails() && failed.Details(&said) == nil {
		return said.Code
	}
	return ""
}
