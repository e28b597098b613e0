// Package httpx holds what the HTTP clients of pbsmflow have in common. It imports nothing of ours.
package httpx

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// RetryAfter is how long a response asks the client to wait: its Retry-After header, in seconds or as
// an HTTP date, but at most longest. It is 0 without the header, or when the header cannot be read.
func RetryAfter(header http.Header, now time.Time, longest time.Duration) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(min(seconds, uint64(longest/time.Second)+1))*time.Second, longest)
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), longest)
}

// Transient reports whether a status is about the server's present state, so that the same request
// may succeed later.
func Transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented: // it will not be, however often it is asked for
		return false
	}
	return status >= http.StatusInternalServerError
}

// TraceConnection returns a context for one request, and a function that reports whether the request
// has had a connection. Before that, no byte of it can have been sent.
func TraceConnection(ctx context.Context) (context.Context, func() bool) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	return httptrace.WithClientTrace(ctx, trace), connected.Load
}
