//go:build bench

package bench

import (
	"io"
	"net"
	"time"
)

// link is a slow link between a client and a server: everything takes half the round trip each way, and a connection
// has at most the window in transit in one direction.
type link struct {
	net.Listener
	roundTrip time.Duration
	window    int
}

func newLink(roundTrip time.Duration, window int) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	return &link{listener, roundTrip, window}, err
}

// serve forwards connections to the server until the link is closed.
func (l *link) serve(server string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			time.Sleep(l.roundTrip)
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				return
			}
			go l.forward(far, near)
			l.forward(near, far)
		}()
	}
}

type piece struct {
	bytes []byte
	due   time.Time
}

const pieceSize = 32 << 10

// forward copies from one end to the other, delayed by half a round trip. A piece leaves the window once its
// acknowledgement is back.
func (l *link) forward(from, to net.Conn) {
	pieces, room := make(chan piece, l.window/pieceSize), make(chan []byte, l.window/pieceSize)
	for range cap(room) {
		room <- make([]byte, pieceSize)
	}
	go func() {
		defer close(pieces)
		for buffer := range room {
			n, err := from.Read(buffer)
			if n > 0 {
				pieces <- piece{buffer[:n], time.Now().Add(l.roundTrip / 2)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
		time.AfterFunc(l.roundTrip/2, func() { room <- p.bytes[:pieceSize] })
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, from) // until the other direction has ended
	_ = to.Close()
}
