package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// Types of the application errors that activities and workflows fail with.
const (
	// InvalidInput: the input has problems. Details: every problem, as []string.
	InvalidInput = "InvalidInput"
	// Refused: the service, a store or Temporal said no, or what is there already rules it out; another attempt would end
	// the same way. Details: Refusal, where the service said it.
	Refused = "Refused"
	// StartRefused: nothing proves who started the workflow, and commands.require_proof demands that.
	StartRefused = "StartRefused"
	// Unavailable: an outage; safe to repeat, and retried by the retry policy. Details: Refusal.
	Unavailable = "Unavailable"
	// OutcomeUnknown: the request may have been processed, and there is no way to find out. Details: Refusal.
	OutcomeUnknown = "OutcomeUnknown"
	// StillWaiting: nothing has changed yet; benign, retried after the delay that it carries.
	StillWaiting = "StillWaiting"
	// PARExpired: the pre-authenticated URL has expired; ask for a new one.
	PARExpired = "PARExpired"
	// FileMissing: the file is not in its store.
	FileMissing = "FileMissing"
	// VerificationFailed: a file's figures are not the expected ones. Details: []verify.Mismatch.
	VerificationFailed = "VerificationFailed"
	// FileChanged: the file is not the version that was found.
	FileChanged = "FileChanged"
)

// Refusal is the detail of an error: what was called, on what, and what the service said.
type Refusal struct {
	Call    string `json:"call"`
	Subject string `json:"subject,omitempty"`
	// Host is that of the object store; empty for the service.
	Host       string `json:"host,omitempty"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Code       string `json:"code,omitempty"`
	Text       string `json:"text,omitempty"`
}

// InvalidInputError is the final error of an input with problems.
func InvalidInputError(problems ...string) error {
	problems = fitting(problems)
	return temporal.NewNonRetryableApplicationError(strings.Join(problems, "; "), InvalidInput, nil, problems)
}

// Bytes of one problem, and of all. Temporal would refuse an error that is larger than its messages, and try
// the activity again forever.
const (
	maxProblemSize  = 4 << 10
	maxProblemsSize = 64 << 10
)

// fitting returns the problems that fit into an error, and how many more there are.
func fitting(problems []string) []string {
	var first []string
	size := 0
	for i, problem := range problems {
		if len(problem) > maxProblemSize {
			problem = strings.ToValidUTF8(problem[:maxProblemSize], "") + "..."
		}
		if size += len(problem); size > maxProblemsSize {
			return append(first, fmt.Sprintf("and %d more", len(problems)-i))
		}
		first = append(first, problem)
	}
	return first
}

// classifyCall classifies the error of a call that is safe to repeat.
func classifyCall(ctx context.Context, err error) error {
	return classify(err, true, func(requested time.Duration) time.Duration { return halfway(ctx, requested) })
}

// outageAttempts is how often a store is tried before an operator is asked: for about ten minutes.
const outageAttempts = 15

// classifyStore classifies the error of an activity that has nothing to resume. What is neither the service's nor its
// object store's comes from a store of ours; its outage ends as a question.
func classifyStore(ctx context.Context, err error) error {
	classified := classifyCall(ctx, err)
	var (
		service *pbsm.Error
		objects *parstore.Error
		failed  *temporal.ApplicationError
	)
	if errors.As(err, &service) || errors.As(err, &objects) || !errors.As(classified, &failed) ||
		failed.Type() != Unavailable || activity.GetInfo(ctx).Attempt < outageAttempts {
		return classified
	}
	message := fmt.Sprintf("%s; tried %d times: retry once the store is available", failed.Message(), outageAttempts)
	return temporal.NewNonRetryableApplicationError(message, Unavailable, nil, Refusal{Text: err.Error()})
}

// classifyPoll classifies the error of a status call: retried when the next poll is due, or when the
// service asks for it, but once more before the timeout.
func (a *Activities) classifyPoll(ctx context.Context, since time.Time, err error) error {
	if err != nil {
		noteHealth(ctx, true)
	}
	return classify(err, true, func(requested time.Duration) time.Duration {
		if requested > 0 {
			return beforeTimeout(ctx, requested)
		}
		return a.nextPoll(ctx, since)
	})
}

// classifyRequested is classifyPoll for what was requested at a time: just after that the service may not know it yet.
func (a *Activities) classifyRequested(ctx context.Context, since time.Time, what string, err error) error {
	if a.settles(since) && isUnknown(err) {
		return a.stillWaiting(ctx, since, "the service does not know %s yet", what)
	}
	return a.classifyPoll(ctx, since, err)
}

// isUnknown reports whether the service says that there is no such run, or nothing of this name.
func isUnknown(err error) bool {
	var e *pbsm.Error
	return errors.As(err, &e) && (pbsm.StatusCode(e.Code) == pbsm.CodeNoObject || e.NoSuchCall())
}

// classifySubmission classifies the error of a call that must not be repeated unless it was certainly not
// processed.
func classifySubmission(ctx context.Context, err error) error {
	return classify(err, false, func(requested time.Duration) time.Duration { return halfway(ctx, requested) })
}

// retryAfter returns the delay before a retry: 0 is the retry policy's. It caps what the other side requests, which
// is 0 when it does not, so that the retry fits before schedule-to-close; otherwise Temporal fails the activity at
// once.
type retryAfter func(requested time.Duration) time.Duration

func classify(err error, safeToRepeat bool, retry retryAfter) error {
	var (
		service   *pbsm.Error
		objects   *parstore.Error
		missing   *transfer.MissingError
		changed   *transfer.ChangedError
		problems  problem.List
		handshake *stores.HandshakeError
		known     *temporal.ApplicationError
	)
	final := temporal.NewNonRetryableApplicationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &service):
		return classifyService(err, service, safeToRepeat, retry)
	case errors.As(err, &objects):
		return classifyObjects(err, objects, retry)
	case errors.As(err, &missing):
		return final(err.Error(), FileMissing, nil)
	case errors.As(err, &changed):
		return final(err.Error(), FileChanged, nil)
	case errors.As(err, &problems):
		return InvalidInputError(problems.Texts()...)
	case errors.Is(err, transfer.ErrBadState):
		return final(err.Error(), Refused, nil)
	case safeToRepeat && errors.Is(err, fs.ErrPermission):
		return final(err.Error()+"; give the worker's user access, then retry", Refused, nil, Refusal{Text: err.Error()})
	case safeToRepeat && errors.As(err, &handshake):
		return final(err.Error()+"; then retry", Refused, nil, Refusal{Text: err.Error()})
	case safeToRepeat:
		options := temporal.ApplicationErrorOptions{NextRetryDelay: retry(0)}
		return temporal.NewApplicationErrorWithOptions(err.Error(), Unavailable, options)
	default:
		return final(err.Error(), OutcomeUnknown, nil, Refusal{Text: err.Error()})
	}
}

func classifyService(err error, e *pbsm.Error, safeToRepeat bool, retry retryAfter) error {
	said := Refusal{Call: e.Call, Subject: e.Subject, HTTPStatus: e.HTTPStatus, Code: e.Code, Text: e.Text}
	if !e.NotProcessed && !safeToRepeat {
		message := fmt.Sprintf("it is not known whether this was carried out: %v", err)
		return temporal.NewNonRetryableApplicationError(message, OutcomeUnknown, nil, said)
	}
	return refusedOrUnavailable(err, said, e.Temporary, retry(e.RetryAfter))
}

func classifyObjects(err error, e *parstore.Error, retry retryAfter) error {
	said := Refusal{Call: e.Op, Subject: e.Host, Host: e.Host, HTTPStatus: e.HTTPStatus, Text: e.Text}
	if e.Expired {
		return temporal.NewNonRetryableApplicationError(err.Error(), PARExpired, nil, said)
	}
	return refusedOrUnavailable(err, said, e.Temporary, retry(e.RetryAfter))
}

func refusedOrUnavailable(err error, said Refusal, temporary bool, delay time.Duration) error {
	if !temporary {
		return temporal.NewNonRetryableApplicationError(err.Error(), Refused, nil, said)
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), Unavailable,
		temporal.ApplicationErrorOptions{NextRetryDelay: delay, Details: []any{said}})
}

// retryDelay reports whether the retry policy would repeat a call after this error, and the delay that the
// error carries.
func retryDelay(ctx context.Context, err error) (delay time.Duration, again bool) {
	var failed *temporal.ApplicationError
	if !errors.As(classifyCall(ctx, err), &failed) {
		return 0, false
	}
	return failed.NextRetryDelay(), !failed.NonRetryable()
}

func isInvalidInput(err error) bool {
	var failed *temporal.ApplicationError
	return errors.As(err, &failed) && failed.Type() == InvalidInput
}

// withDetails copies an ApplicationError with extra details.
func withDetails(failed *temporal.ApplicationError, more ...any) error {
	var said Refusal
	if failed.HasDetails() {
		_ = failed.Details(&said)
	}
	return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(), temporal.ApplicationErrorOptions{
		NonRetryable:   failed.NonRetryable(),
		NextRetryDelay: failed.NextRetryDelay(),
		Cause:          errors.Unwrap(failed),
		Details:        append([]any{said}, more...),
	})
}
