package stores

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// idleTimeout is how long a server may move no byte of a request. Heartbeats continue meanwhile, so that
// nothing else would end a transfer that hangs. It allows for the time that a bucket takes to assemble a
// large file.
var idleTimeout = 5 * time.Minute

// withIdleTimeout closes idle connections in the middle of an exchange. HTTP/2 is off: there several
// exchanges share a connection.
func withIdleTimeout(t *http.Transport) {
	dial := t.DialContext
	t.ForceAttemptHTTP2 = false
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return idleTimeoutConn{conn, idleTimeout}, nil
	}
}

// idleTimeoutConn times out when no byte moves. A byte in either direction gives both more time.
type idleTimeoutConn struct {
	net.Conn
	timeout time.Duration
}

func (c idleTimeoutConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// writtenAtOnce is small enough for a slow line to transmit within the timeout.
const writtenAtOnce = 64 << 10

func (c idleTimeoutConn) Write(p []byte) (written int, err error) {
	for rest := p; err == nil && len(rest) > 0; rest = p[written:] {
		if err = c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
			break
		}
		var n int
		n, err = c.Conn.Write(rest[:min(len(rest), writtenAtOnce)])
		written += n
	}
	return written, err
}

// sftpAtOnce is how much is written to an SFTP server at once: on a slow line a whole part may take longer
// than the timeout.
const sftpAtOnce = 8 << 20

// watch closes the connection unless stop is called within the timeout: what is done until then must be little.
func (s *session) watch(err *error) (stop func()) {
	var stalled atomic.Bool
	timer := time.AfterFunc(idleTimeout, func() {
		stalled.Store(true)
		_ = s.close()
	})
	return func() {
		timer.Stop()
		if *err != nil && stalled.Load() {
			*err = fmt.Errorf("the server did not respond for %s: %w", idleTimeout, *err)
		}
	}
}
