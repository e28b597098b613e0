package pbsm

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxErrorText  = 500
	maxProblems   = 4000 // of a request with many problems, all of which are named
	maxRetryAfter = time.Hour
)

// Error is a call that did not succeed. NotProcessed and Temporary say what a caller may do next; the other fields are
// for operators.
type Error struct {
	Call       string // "trigger", "file list", "token", ...
	Subject    string // the batch and run id, file, report or migration
	HTTPStatus int    // 0 without a response
	Code       string // the service's code: a StatusCode, a MigrationCode or an OAuth error
	Text       string // what the service said: one line, at most 500 bytes, secrets removed
	Advice     string // what an operator can do next

	// NotProcessed: it is certain that the service did not act on the request.
	NotProcessed bool
	// Temporary: the same request may succeed later. Otherwise the error is final.
	Temporary bool
	// Page: the response is an HTML page, of a gateway instead of the service.
	Page bool
	// RetryAfter is how long the service asks to wait, at most an hour; 0 when it does not.
	RetryAfter time.Duration

	Err error // the cause, if it is not the service's response
}

func (e *Error) Error() string {
	var parts []string
	if e.HTTPStatus != 0 {
		status := fmt.Sprintf("HTTP %d", e.HTTPStatus)
		if text := HTTPStatusText(e.HTTPStatus); text != "" && e.HTTPStatus/100 != 2 {
			status += " (" + text + ")"
		}
		parts = append(parts, status)
	}
	if e.Code != "" {
		code := "code " + e.Code
		if text := StatusCode(e.Code).Text(); text != "" {
			code += " (" + text + ")"
		}
		parts = append(parts, code)
	}
	if e.Err != nil {
		parts = append(parts, oneLine(redactPatterns(strings.ReplaceAll(e.Err.Error(), "\n", "; ")), maxProblems))
	}
	if e.Text != "" {
		parts = append(parts, strconv.Quote(e.Text))
	}
	message := strings.TrimSpace(e.Call+" "+e.Subject) + ": " + strings.Join(parts, ": ")
	if e.Advice != "" {
		message += "; " + e.Advice
	}
	return message
}

func (e *Error) Unwrap() error { return e.Err }

// NoSuchCall reports whether the tenant seems to lack the call: HTTP 404, 405 or 501 without a code of the service.
func (e *Error) NoSuchCall() bool {
	switch e.HTTPStatus {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return e.Code == "" || e.Code == strconv.Itoa(e.HTTPStatus)
	}
	return false
}

// MayMeanMissing reports whether the response may be about an object that does not exist: what is answered for an unknown
// id, no page says. Pages of a gateway, and refusals of the user, the method or the content type, are never about it.
func (e *Error) MayMeanMissing() bool {
	switch e.HTTPStatus {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity,
		http.StatusInternalServerError:
		return !e.Page
	}
	return e.HTTPStatus/100 == 2 && !e.Page
}

func noSuchCall(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NoSuchCall()
}

// invalid is the error of a request that was not sent because it has problems.
func (r call) invalid(problems ...error) error {
	err := errors.Join(problems...)
	if err == nil {
		return nil
	}
	return &Error{Call: r.name, Subject: r.subject, NotProcessed: true, Err: err, Advice: "correct the request"}
}

// transportError is an exchange that failed on the network. If it had a connection, bytes of the request may have been
// sent.
func (r call) transportError(err error, connected bool) *Error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &Error{Call: r.name, Subject: r.subject, NotProcessed: !connected, Temporary: true, Err: err}
	switch {
	case untrusted(err):
		e.Temporary = false
		e.Advice = "check ca_file: the server's certificate is not trusted or not for this host"
	case connected && r.once:
		e.Advice = cmp.Or(r.ifUnknown, adviceUnknown)
	case !connected && !errors.Is(err, context.Canceled):
		e.Advice = "check " + cmp.Or(r.address, "base_url") + ", DNS, proxy and firewall if this lasts"
	}
	return e
}

func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

const adviceUnknown = "it is not known whether the service acted: check Monitor Batch there before you submit it again"

// fail is the error of a response that does not prove a success, with the reason.
func (a *response) fail(reason string) *Error { return a.asError(errors.New(reason)) }

// failFinally is the error of a response which says that the request failed: another attempt would fail as well.
func (a *response) failFinally(reason string) *Error {
	e := a.fail(reason)
	e.Temporary = false
	return e
}

// asError is the error of a response that does not prove a success. Unless it is a documented refusal, it is neither
// final nor certain. cause may be nil.
func (a *response) asError(cause error) *Error {
	said := a.explanation()
	e := &Error{
		Call:       a.call.name,
		Subject:    a.call.subject,
		HTTPStatus: a.status,
		Code:       string(said.code()),
		Text:       a.text(said.String()),
		RetryAfter: a.retryAfter,
		Temporary:  true,
		Page:       a.html,
		Err:        cause,
	}
	status, refused := a.status, said.refusal()
	switch {
	case status == http.StatusUnauthorized || status == http.StatusTooManyRequests:
		e.NotProcessed = true
	case refused:
		e.NotProcessed, e.Temporary = true, false
	case refusingStatuses[status]:
		// An HTML page is from a gateway, which may reach the service later. A damaged 400 may mean anything: a
		// migration that is in progress, or complete, is a 400 as well.
		unknown := a.damaged && status == http.StatusBadRequest || a.html && a.call.once && blockingStatuses[status]
		e.NotProcessed, e.Temporary = !unknown, a.html || unknown
	case status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect:
		e.Temporary = false
	}
	if said.actedOn(a.call) {
		e.NotProcessed = false
	}
	e.Advice = advice(e, a.call)
	if len(a.call.settings) > 0 && e.aboutTheForm() {
		hint := "if the tenant expects the request in another form, set " + strings.Join(a.call.settings, " or ") +
			" of the connection"
		e.Advice = strings.TrimPrefix(e.Advice+"; "+hint, "; ")
	}
	return e
}

// aboutTheForm reports whether a refusal can mean that the service did not understand the request.
func (e *Error) aboutTheForm() bool {
	switch StatusCode(e.Code) {
	case CodeInvalidArguments, CodeInvalidHeaders:
		return e.NotProcessed
	}
	switch e.HTTPStatus {
	case http.StatusBadRequest, http.StatusLengthRequired, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return e.NotProcessed
	}
	return false
}

func advice(e *Error, r call) string {
	if r.once && !e.NotProcessed {
		return cmp.Or(r.ifUnknown, adviceUnknown)
	}
	switch StatusCode(e.Code) {
	case CodeNoObject:
		return "check the code, the service id and the workspace"
	case CodeInvalidArguments:
		return "check the parameters and task codes"
	case CodeInvalidHeaders:
		return "check tenant_id, service_id, workspace_id, remote_user and locale"
	case CodeNoJob:
		return "there is nothing to run: check the batch's tasks and the run's status"
	case CodeAlreadyInterrupted, CodeNotOngoing:
		return "read the run's status"
	}
	if MigrationCode(e.Code) == MigrationCodeInvalidInput || e.Code == "" && e.HTTPStatus == http.StatusBadRequest {
		return r.ifInvalid
	}
	switch {
	case e.HTTPStatus == http.StatusUnauthorized:
		return "check that the client belongs to this application and that the user exists in it"
	case e.HTTPStatus == http.StatusForbidden && r.scheduler:
		return "map remote_user to the function BATCH_EXEC"
	case e.HTTPStatus == http.StatusForbidden:
		return "check the roles of remote_user"
	case (e.HTTPStatus == http.StatusNotFound || e.HTTPStatus == http.StatusMethodNotAllowed) && r.notFound != "":
		return "check " + r.notFound
	case e.HTTPStatus == http.StatusNotFound || e.HTTPStatus/100 == 3:
		return "check base_url and the name or id"
	}
	return ""
}
