package pbsm

import (
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
	maxFaults     = 4000 // of a request with many faults, every one of which is named
	maxRetryAfter = time.Hour
)

// Error is a call that did not succeed. The two questions a caller has are
// answered by NotProcessed and Temporary; the rest is for people.
type Error struct {
	Call       string // "trigger", "file list", "token", ...
	Subject    string // the batch and run id, file, report or migration
	HTTPStatus int    // 0 when there was no answer
	Code       string // the service's own code: a StatusCode, a MigrationCode or an OAuth error
	Text       string // what the service said: one line, at most 500 bytes, secrets removed
	Advice     string // what a person can do next

	// NotProcessed: it is certain that the service did not act on the request.
	NotProcessed bool
	// Temporary: the same request may succeed later. False means final.
	Temporary bool
	// RetryAfter is the wait that the service asked for, at most an hour; 0 when it did not.
	RetryAfter time.Duration

	Err error // the cause, if it is not the service's answer
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
		parts = append(parts, oneLine(redactPatterns(strings.ReplaceAll(e.Err.Error(), "\n", "; ")), maxFaults))
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

// invalid is a request that was not sent because of its own faults.
func (r call) invalid(faults ...error) error {
	err := errors.Join(faults...)
	if err == nil {
		return nil
	}
	return &Error{Call: r.name, Subject: r.subject, NotProcessed: true, Err: err, Advice: "correct the request"}
}

// transportError is an exchange that failed on the network. sendable tells
// whether a connection was there, so that bytes of the request may have left.
func (r call) transportError(err error, sendable bool) *Error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &Error{Call: r.name, Subject: r.subject, NotProcessed: !sendable, Temporary: true, Err: err}
	switch {
	case untrusted(err):
		e.Temporary = false
		e.Advice = "check ca_file: the server's certificate is not trusted or not for this host"
	case sendable && r.once:
		e.Advice = adviceUnknown
	case !sendable && !errors.Is(err, context.Canceled):
		e.Advice = "check base_url, DNS, proxy and firewall if this lasts"
	}
	return e
}

func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

const adviceUnknown = "it is not known whether the service acted: look at its batch monitor before posting again"

func (a *answer) fail(why string) *Error { return a.fault(errors.New(why)) }

// failed is for an answer that says that what was asked for failed: trying again would end alike.
func (a *answer) failed(why string) *Error {
	e := a.fail(why)
	e.Temporary = false
	return e
}

// fault makes the error of an answer that is not a proven success. What is not
// a documented refusal is neither final nor certain. why may be nil.
func (a *answer) fault(why error) *Error {
	said := a.said()
	e := &Error{
		Call: a.call.name, Subject: a.call.subject, HTTPStatus: a.status,
		Code: string(said.code()), Text: a.text(said.String()), RetryAfter: a.retryAfter, Temporary: true,
		Err: why,
	}
	status, refused := a.status, said.refusal()
	switch {
	case status == http.StatusUnauthorized || status == http.StatusTooManyRequests:
		e.NotProcessed = true
	case refused:
		e.NotProcessed, e.Temporary = true, false
	case refusingStatuses[status]:
		// A page instead of JSON comes from a gateway, which may find the service again. What a
		// damaged 400 said is open: a migration in progress, or complete, is a 400 too.
		open := a.damaged && status == http.StatusBadRequest
		e.NotProcessed, e.Temporary = !open, a.html || open
	case status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect:
		e.Temporary = false
	}
	if said.actedOn(a.call) {
		e.NotProcessed = false
	}
	e.Advice = advice(e, a.call)
	return e
}

func advice(e *Error, r call) string {
	if r.once && !e.NotProcessed {
		return adviceUnknown
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
	if MigrationCode(e.Code) == MigrationCodeInvalidInput {
		return "check the migration's code"
	}
	switch {
	case e.HTTPStatus == http.StatusUnauthorized:
		return "check that the client belongs to this application and that the user exists in it"
	case e.HTTPStatus == http.StatusForbidden && r.scheduler:
		return "map remote_user to the function BATCH_EXEC"
	case e.HTTPStatus == http.StatusForbidden:
		return "check the roles of remote_user"
	case e.HTTPStatus == http.StatusNotFound && r.notFound != "":
		return "check " + r.notFound
	case e.HTTPStatus == http.StatusNotFound || e.HTTPStatus/100 == 3:
		return "check base_url and the name or id"
	}
	return ""
}
