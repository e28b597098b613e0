package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// Types of the application errors that activities and workflows fail with.
const (
	// InvalidInput: the input has problems. Details: every problem, as []string.
	InvalidInput = "InvalidInput"
	// Refused: the service, or a store, said no, and would say so again. Details: Refusal.
	Refused = "Refused"
	// Unavailable: safe to repeat, and repeated by the retry policy. Details: Refusal.
	Unavailable = "Unavailable"
	// OutcomeUnknown: the request may have been carried out, and nobody can ask. Details: Refusal.
	OutcomeUnknown = "OutcomeUnknown"
	// StillWaiting: nothing changed yet; benign, repeated after the delay it carries.
	StillWaiting = "StillWaiting"
	// PARExpired: the pre-authenticated URL is no longer good; ask for a new one.
	PARExpired = "PARExpired"
	// FileMissing: the file is not in its store.
	FileMissing = "FileMissing"
	// VerificationFailed: a file does not hold what is expected of it. Details: []verify.Mismatch.
	VerificationFailed = "VerificationFailed"
	// FileChanged: the file is not the one that was found.
	FileChanged = "FileChanged"
)

// Refusal is the detail of an error: what was called, on what, and what the service said.
type Refusal struct {
	Call       string `json:"call"`
	Subject    string `json:"subject,omitempty"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Code       string `json:"code,omitempty"`
	Text       string `json:"text,omitempty"`
}

// InvalidInputError is the final error of an input with problems.
func InvalidInputError(problems ...string) error {
	problems = fitting(problems)
	return temporal.NewNonRetryableApplicationError(strings.Join(problems, "; "), InvalidInput, nil, problems)
}

// Bytes of one problem, and of all. An error that is larger than a message to Temporal would never get there,
// and the activity be tried for ever.
const (
	maxProblemSize  = 4 << 10
	maxProblemsSize = 64 << 10
)

// fitting are the first of many problems, and how many more there are.
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
	return classify(capRetryAfter(ctx, err, halfway), true, 0)
}

// classifyPoll classifies the error of a status call: repeated when the next look is due, or when the
// service asks for it, but once more before the timeout.
func (a *Activities) classifyPoll(ctx context.Context, since time.Time, err error) error {
	return classify(capRetryAfter(ctx, err, beforeTimeout), true, a.nextPoll(ctx, since))
}

// classifySubmission classifies the error of a call that must not be repeated unless it was certainly not processed.
func classifySubmission(ctx context.Context, err error) error {
	return classify(capRetryAfter(ctx, err, halfway), false, 0)
}

// capRetryAfter cuts short the delay that the other side asks for: Temporal ends at once what is to be repeated
// after the timeout.
func capRetryAfter(ctx context.Context, err error, cut func(context.Context, time.Duration) time.Duration) error {
	var (
		service *pbsm.Error
		objects *parstore.Error
		known   *temporal.ApplicationError
	)
	switch {
	case errors.As(err, &known):
	case errors.As(err, &service) && service.RetryAfter > 0:
		copied := *service // a refused login is shared by all calls
		copied.RetryAfter = cut(ctx, service.RetryAfter)
		return &copied
	case errors.As(err, &objects) && objects.RetryAfter > 0:
		copied := *objects
		copied.RetryAfter = cut(ctx, objects.RetryAfter)
		return &copied
	}
	return err
}

func classify(err error, safeToRepeat bool, delay time.Duration) error {
	var (
		service *pbsm.Error
		objects *parstore.Error
		known   *temporal.ApplicationError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &service):
		return classifyService(service, safeToRepeat, delay)
	case errors.As(err, &objects):
		return classifyObjects(objects)
	case safeToRepeat && errors.Is(err, fs.ErrPermission):
		return temporal.NewNonRetryableApplicationError(err.Error()+"; give the worker's user access, then retry", Refused, nil, Refusal{Text: err.Error()})
	case safeToRepeat:
		return temporal.NewApplicationErrorWithOptions(err.Error(), Unavailable, temporal.ApplicationErrorOptions{NextRetryDelay: delay})
	default:
		return temporal.NewNonRetryableApplicationError(err.Error(), OutcomeUnknown, nil, Refusal{Text: err.Error()})
	}
}

// withMessage is an error in other words, with more details behind what was said; its kind stays.
func withMessage(known *temporal.ApplicationError, message string, more ...any) error {
	var said Refusal
	if known.HasDetails() {
		_ = known.Details(&said)
	}
	return temporal.NewApplicationErrorWithOptions(message, known.Type(), temporal.ApplicationErrorOptions{
		NonRetryable: known.NonRetryable(), NextRetryDelay: known.NextRetryDelay(), Cause: errors.Unwrap(known),
		Details: append([]any{said}, more...),
	})
}

func classifyService(e *pbsm.Error, safeToRepeat bool, delay time.Duration) error {
	options := temporal.ApplicationErrorOptions{
		Details: []any{Refusal{Call: e.Call, Subject: e.Subject, HTTPStatus: e.HTTPStatus, Code: e.Code, Text: e.Text}},
	}
	switch {
	case !e.NotProcessed && !safeToRepeat:
		options.NonRetryable = true
		message := fmt.Sprintf("it is not known whether this was carried out: %v", e)
		return temporal.NewApplicationErrorWithOptions(message, OutcomeUnknown, options)
	case e.Temporary:
		options.NextRetryDelay = cmp.Or(e.RetryAfter, delay)
		return temporal.NewApplicationErrorWithOptions(e.Error(), Unavailable, options)
	default:
		options.NonRetryable = true
		return temporal.NewApplicationErrorWithOptions(e.Error(), Refused, options)
	}
}

func classifyObjects(e *parstore.Error) error {
	options := temporal.ApplicationErrorOptions{
		NextRetryDelay: e.RetryAfter,
		Details:        []any{Refusal{Call: e.Op, Subject: e.Host, HTTPStatus: e.HTTPStatus, Text: e.Text}},
	}
	switch {
	case e.Expired:
		options.NonRetryable = true
		return temporal.NewApplicationErrorWithOptions(e.Error(), PARExpired, options)
	case e.Temporary:
		return temporal.NewApplicationErrorWithOptions(e.Error(), Unavailable, options)
	default:
		options.NonRetryable = true
		return temporal.NewApplicationErrorWithOptions(e.Error(), Refused, options)
	}
}
