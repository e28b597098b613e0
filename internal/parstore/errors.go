package parstore

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// maxRetryAfter bounds the wait that a store may ask for.
const maxRetryAfter = 24 * time.Hour

// Error is a transfer that failed at the object store or on the way to it. No part of it holds the URL.
// An error of the source or the target of the bytes is not an Error.
type Error struct {
	Op         string // "put", "get", "head", or a step of an upload in parts
	Host       string
	HTTPStatus int           // 0 without a response
	Expired    bool          // the URL is not valid, or no longer (401, 403, 404): ask for a new one
	Changed    bool          // the object is not the one that the transfer began with
	Temporary  bool          // the same request may succeed later
	RetryAfter time.Duration // what the store asks for; 0 when it does not
	Text       string        // what the store says
	Err        error
}

func (e *Error) Error() string {
	text := e.Op + " file"
	if e.Host != "" {
		text += " at " + e.Host
	}
	if e.HTTPStatus != 0 {
		text += fmt.Sprintf(": HTTP %d", e.HTTPStatus)
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Expired {
		text += " (the URL is expired or not valid: a new one is needed)"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

var errStalled = errors.New("no bytes moved for too long")

// transportError is for a request without a usable response.
func transportError(ctx context.Context, op string, u *url.URL, err error) *Error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if text := err.Error(); scrub(u, text) != text {
		err = errors.New(scrub(u, text))
	}
	var certificate *tls.CertificateVerificationError
	final := errors.Is(err, context.Canceled) || errors.As(err, &certificate)
	return &Error{Op: op, Host: u.Host, Temporary: !final, Err: err}
}

// corrupt is for bytes that did not arrive as they should have. Another attempt may succeed.
func corrupt(op string, u *url.URL, status int, format string, args ...any) *Error {
	return &Error{Op: op, Host: u.Host, HTTPStatus: status, Temporary: true, Err: fmt.Errorf(format, args...)}
}

// statusError is for a response with an unexpected status.
func statusError(op string, u *url.URL, resp *http.Response) *Error {
	status := resp.StatusCode
	e := &Error{
		Op:         op,
		Host:       u.Host,
		HTTPStatus: status,
		Expired:    slices.Contains([]int{401, 403, 404}, status),
		Temporary:  httpx.Transient(status),
		RetryAfter: httpx.RetryAfter(resp.Header, time.Now(), maxRetryAfter),
	}
	var answer struct{ Code, Message string }
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch {
	case json.Unmarshal(body, &answer) == nil && answer.Code+answer.Message != "":
		// The bytes were damaged in transit, or the file changed while it was read.
		e.Temporary = e.Temporary || answer.Code == "UnmatchedContentMD5"
		e.Text = strings.Trim(answer.Code+": "+answer.Message, ": ")
	case strings.Contains(resp.Header.Get("Content-Type"), "html"):
		e.Text = "an HTML page, from a gateway rather than the object store"
	default:
		e.Text = string(body)
	}
	if status/100 == 3 {
		e.Text = "a redirect, which is not followed: the URL is a secret of its host"
	}
	e.Text = oneLine(scrub(u, e.Text), 300)
	return e
}

// scrub removes everything of the URL but its host: the parts of its path and query, both as they are
// and decoded.
func scrub(u *url.URL, text string) string {
	secrets := []string{u.String(), u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery}
	secrets = append(secrets, strings.Split(u.EscapedPath(), "/")...)
	secrets = append(secrets, strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	// The longest first: a shorter one may be a part of it.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if len(secret) >= 8 {
			text = strings.ReplaceAll(text, secret, "[removed]")
		}
	}
	return text
}

func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "..."
	}
	return text
}
