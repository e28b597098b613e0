package simulator

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
)

// spellingListener makes connections whose handlers can tell how a header was spelled: net/http knows only its canonical
// form.
type spellingListener struct{ net.Listener }

func (l spellingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spellingConn{Conn: conn}, nil
}

// spellingConn keeps the end of what it received, which is the head of the request that is being handled.
type spellingConn struct {
	net.Conn

	mu   sync.Mutex
	last []byte
}

const keptBytes = 16 << 10

func (c *spellingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, p[:n]...)
	c.last = c.last[max(0, len(c.last)-keptBytes):]
	return n, err
}

type spellingKey struct{}

func withSpelling(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, spellingKey{}, conn)
}

// spelled reports whether the request has a header in exactly this spelling. It is true if nobody kept it.
func spelled(r *http.Request, name string) bool {
	conn, ok := r.Context().Value(spellingKey{}).(*spellingConn)
	if !ok {
		return true
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	request := conn.last[max(0, bytes.LastIndex(conn.last, []byte(r.Method+" "+r.URL.Path))):]
	return bytes.Contains(request, []byte("\n"+name+":"))
}
