//go:build bench

package bench

import (
	"io"
	"net"
	"time"
)

// link is a long line between a client and a server: everything takes half the round trip each
// way, and a connection has no more than the window under way in one direction.
type link struct {
	net.Listener
	roundTrip time.Duration
	window    int
}

func newLink(roundTrip time.Duration, window int) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	return &link{listener, roundTrip, window}, err
}

// serve carries connections to the server until the link is closed.
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
			go l.carry(far, near)
			l.carry(near, far)
		}()
	}
}

type piece struct {
	bytes []byte
	due   time.Time
}

const pieceSize = 32 << 10

// carry brings what comes from one end to the other, half a round trip later. A piece leaves the
// window when its acknowledgement is back.
func (l *link) carry(from, to net.Conn) {
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
	_, _ = io.Copy(io.Discard, from) // until the other direction ends, too
	_ = to.Close()
}
