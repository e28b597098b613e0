package stores

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// idleTimeout is how long a server may move no byte of what it was asked for. Heartbeats go on meanwhile, so that
// nobody else would end a transfer that hangs. It leaves the time that a bucket takes to put a large file together.
var idleTimeout = 5 * time.Minute

// withIdleTimeout ends the connections of an HTTP client that stand still. One connection has one exchange at a time.
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

// idleTimeoutConn is for as long as bytes move: one in either direction gives both more time.
type idleTimeoutConn struct {
	net.Conn
	patience time.Duration
}

func (c idleTimeoutConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// writtenAtOnce is so little that even a slow line takes it in time.
const writtenAtOnce = 64 << 10

func (c idleTimeoutConn) Write(p []byte) (written int, err error) {
	for rest := p; err == nil && len(rest) > 0; rest = p[written:] {
		if err = c.SetDeadline(time.Now().Add(c.patience)); err != nil {
			break
		}
		var n int
		n, err = c.Conn.Write(rest[:min(len(rest), writtenAtOnce)])
		written += n
	}
	return written, err
}

// sftpAtOnce is how much is written to an SFTP server at once: on a slow line a whole part may take longer than a
// server may be silent.
const sftpAtOnce = 8 << 20

// watch ends the connection when what is done until the call of stop takes too long: it must be little.
func (s *session) watch(err *error) (stop func()) {
	var stalled atomic.Bool
	timer := time.AfterFunc(idleTimeout, func() {
		stalled.Store(true)
		_ = s.close()
	})
	return func() {
		timer.Stop()
		if *err != nil && stalled.Load() {
			*err = fmt.Errorf("the server did not answer for %s: %w", idleTimeout, *err)
		}
	}
}
