package parstore

import (
	"errors"
	"hash"
	"io"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// source is the body of a PUT.
//
// The transport may continue to read a body after an early response. Then the store would reset the
// connection and the response would be lost. So reading blocks from the first byte of the response until
// the body is closed. Once it is closed nothing reads src any more, and its owner may close src too.
type source struct {
	src   io.Reader
	left  int64
	sum   hash.Hash                   // of what was read; nil when src cannot change
	pace  func(want int) (int, error) // how many bytes may be read now
	moved func(n int)
	err   error // src's own

	mu       sync.Mutex
	changed  sync.Cond
	answered bool
	closed   bool
}

func newSource(src io.Reader, size int64, sum hash.Hash, pace func(int) (int, error), moved func(n int)) *source {
	s := &source{src: src, left: size, sum: sum, pace: pace, moved: moved}
	s.changed.L = &s.mu
	return s
}

func (s *source) Read(p []byte) (int, error) {
	allowed, err := s.pace(len(p)) // before the lock: a response must be noticed meanwhile
	if err != nil {
		return 0, err
	}
	p = p[:allowed]
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.answered && !s.closed {
		s.changed.Wait()
	}
	if s.closed {
		return 0, errors.New("the body is closed")
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.src.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if s.sum != nil {
		s.sum.Write(p[:n])
	}
	s.moved(n)
	switch {
	case errors.Is(err, io.EOF) && s.left > 0:
		err = errors.New("it became shorter while it was being sent")
		s.err = err
	case err != nil && !errors.Is(err, io.EOF):
		s.err = err
	}
	return n, err
}

func (s *source) Close() error {
	s.set(func() { s.closed = true })
	return nil
}

// trace notices a response. "100 Continue" is not one.
func (s *source) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotFirstResponseByte: func() { s.set(func() { s.answered = true }) },
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			s.set(func() { s.answered = false })
			return nil
		},
	}
}

func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.changed.Broadcast()
}

// destination is what the body of a GET is written to. It keeps its own errors apart from the network's.
type destination struct {
	dst   io.Writer
	sum   *sums
	moved func()
	err   error
}

func (d *destination) Write(p []byte) (int, error) {
	n, err := d.dst.Write(p)
	d.sum.Write(p[:n])
	d.moved()
	d.err = err
	return n, err
}
