package stores

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// Parts is a large file on its way into a store, written in parts. It begins
// with Resume or Reset, and ends with Commit, Abort or Suspend; Abort after any
// of them is harmless. What is left is found by a later attempt at the same
// file with the same key: in a folder on any worker that shares it, on an SFTP
// server and in a bucket on any worker at all.
type Parts interface {
	// Resume goes on behind the first size bytes of what was left, whose SHA-256 is
	// sum. lost says why they cannot be relied on; an error, that this cannot be told.
	Resume(ctx context.Context, size int64, sum []byte) (lost string, err error)
	// Reset drops what was left and begins a file of so many parts.
	Reset(ctx context.Context, parts int) error
	// WritePart takes a whole part, numbered from 1. All but the last have the same
	// size. Several may come at once, in any order, and the same one again.
	WritePart(ctx context.Context, number int, offset int64, p []byte) error
	// Left is what a later attempt needs to find what is left, beside the file's
	// name and key; nil where these are enough.
	State() []byte
	// Commit puts the file under its name.
	Commit() error
	Abort() error
	Suspend() error
}

// destination is where a file of parts goes.
type destination struct {
	ref, path, key string
}

// Parts starts a file, or goes on with one that was left. The key tells apart
// those who write the same file; two at once must not have the same key. ctx
// must stay alive for as long as the file is written.
func (s *Stores) Parts(ctx context.Context, ref, key string, left []byte) (Parts, error) {
	store, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	if store.parts != nil && !escaped(path) {
		return store.parts(ctx, destination{ref, path, key}, left)
	}
	w, err := s.Create(ctx, ref)
	if err != nil {
		return nil, err
	}
	t := &sequentialParts{Writer: w, next: 1}
	t.turn.L = &t.mu
	return t, nil
}

// What Resume says of what is not there, or not as it was.
const (
	partsMissing = "the part that was received is not there any more"
	partsDamaged = "the part that was received is damaged"
)

// verifyExisting reads back what a server or a disk may have lost.
func verifyExisting(held io.Reader, size int64, sum []byte) (lost string, err error) {
	got := sha256.New()
	n, err := io.CopyBuffer(got, io.LimitReader(held, size), make([]byte, 1<<20))
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

// sequentialParts writes the parts one after the other, where nothing can be left.
type sequentialParts struct {
	*Writer
	mu   sync.Mutex
	turn sync.Cond
	next int
}

func (*sequentialParts) Resume(context.Context, int64, []byte) (string, error) {
	return partsMissing, nil
}

func (t *sequentialParts) Reset(context.Context, int) error { return nil }

func (t *sequentialParts) WritePart(ctx context.Context, number int, _ int64, p []byte) error {
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.turn.Broadcast()
	})
	defer stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next < number {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.turn.Wait()
	}
	if t.next > number {
		return fmt.Errorf("write %s: part %d was written before", t.ref, number)
	}
	if _, err := t.Write(p); err != nil {
		return err
	}
	t.next++
	t.turn.Broadcast()
	return nil
}

func (*sequentialParts) State() []byte { return nil }

func (t *sequentialParts) Suspend() error { return t.Abort() }
