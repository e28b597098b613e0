package stores

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// Section reads length bytes of a file from offset on, or fewer at its end. ctx must stay alive while they
// are read.
func (s *Stores) Section(ctx context.Context, ref string, offset, length int64) (io.ReadCloser, error) {
	bucket, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	reader, err := bucket.NewRangeReader(ctx, path, offset, length, nil)
	if err != nil {
		return nil, fileError("read", ref, err)
	}
	return reader, nil
}

// Parts is a large file that is being written into a store, in parts. It begins with Resume or Reset, and
// ends with Commit, Abort or Suspend; Abort after any of them is harmless. A later attempt at the same file
// with the same key finds what was suspended: in a folder on any worker that shares it, on an SFTP server
// and in a bucket on any worker at all.
type Parts interface {
	// Resume keeps the first size bytes of an earlier attempt, whose SHA-256 is sum. unusable says why it
	// cannot; an error means that this is unknown.
	Resume(ctx context.Context, size int64, sum []byte) (unusable string, err error)
	// Reset removes what an earlier attempt wrote, and begins a file of so many parts.
	Reset(ctx context.Context, parts int) error
	// WritePart writes a whole part, numbered from 1. All parts but the last have the same size. Several
	// are written at once, in any order. A part may be written again.
	WritePart(ctx context.Context, number int, offset int64, p []byte) error
	// State is what a later attempt needs to find the parts, besides the file's name and key; nil when
	// these suffice.
	State() []byte
	// Commit gives the file its final name.
	Commit() error
	Abort() error
	Suspend() error
}

// destination is a file to write, and the key of its attempts.
type destination struct {
	ref, path, key string
}

// Parts begins a file, or continues one that was suspended, with its state. The key tells apart those who
// write the same file; two at once must not have the same key. ctx must stay alive while the file is written.
func (s *Stores) Parts(ctx context.Context, ref, key string, state []byte) (Parts, error) {
	store, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	if store.parts != nil && !escaped(path) {
		return store.parts(ctx, destination{ref, path, key}, state)
	}
	w, err := s.Create(ctx, ref)
	if err != nil {
		return nil, err
	}
	p := &sequentialParts{Writer: w, next: 1}
	p.turn.L = &p.mu
	return p, nil
}

// Reasons why Resume cannot use what an earlier attempt wrote.
const (
	partsMissing = "the part that was received is not there any more"
	partsDamaged = "the part that was received is damaged"
)

// verifyExisting reads back what a server or a disk may have lost.
func verifyExisting(existing io.Reader, size int64, sum []byte) (unusable string, err error) {
	got := sha256.New()
	n, err := io.CopyBuffer(got, io.LimitReader(existing, size), make([]byte, 1<<20))
	switch {
	case err != nil:
		return "", err
	case n < size:
		return partsMissing, nil
	case string(got.Sum(nil)) != string(sum):
		return partsDamaged, nil
	}
	return "", nil
}

// sequentialParts writes the parts one after the other, to a store in which nothing can be suspended.
type sequentialParts struct {
	*Writer
	mu   sync.Mutex
	turn sync.Cond
	next int
}

func (*sequentialParts) Resume(context.Context, int64, []byte) (string, error) {
	return partsMissing, nil
}

func (*sequentialParts) Reset(context.Context, int) error { return nil }

func (p *sequentialParts) WritePart(ctx context.Context, number int, _ int64, part []byte) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.turn.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.next < number {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.turn.Wait()
	}
	if p.next > number {
		return fmt.Errorf("write %s: part %d was written before", p.ref, number)
	}
	if _, err := p.Write(part); err != nil {
		return err
	}
	p.next++
	p.turn.Broadcast()
	return nil
}

func (*sequentialParts) State() []byte { return nil }

func (p *sequentialParts) Suspend() error { return p.Abort() }
