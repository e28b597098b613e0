package stores

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// StagedFile is a small file that is being written into a store, from its first byte to its last; a large
// one is written in [Parts]. It ends with Abort, Suspend or a Commit that succeeds; Abort after any of them
// is harmless. After a Commit that fails, one of the others follows.
//
// A later attempt at the same file with the same key finds what was suspended: in a folder on any worker
// that shares it, elsewhere on any worker at all. When a worker dies, it finds everything that was written
// in a folder, and elsewhere all but the last seconds.
type StagedFile interface {
	io.Writer
	// Existing reads what an earlier attempt wrote, and returns how many bytes that is.
	Existing() (io.Reader, int64)
	// Truncate keeps the first size bytes. The next write follows them.
	Truncate(size int64) error
	// Commit gives the file its final name.
	Commit() error
	Abort() error
	Suspend() error
}

// Stage begins a file, or continues one that was suspended. The key tells apart those who write the same
// file; two at once must not have the same key.
func (s *Stores) Stage(ctx context.Context, ref, key string) (StagedFile, error) {
	store, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	to := destination{ref, path, key}
	if store.folder != "" && !escaped(path) {
		return stageInFolder(ctx, store.folder, to)
	}
	return stageInBucket(ctx, store, to)
}

// stagingName is the name of a file before its commit. No reference leads to it.
func stagingName(base, key string) string {
	sum := sha256.Sum256([]byte(key))
	return "." + base + "." + hex.EncodeToString(sum[:8]) + ".part"
}

// stagingFile is a staging file beside the final one, locked by its attempt.
type stagingFile struct {
	*os.File
	ref, final string
	existing   int64
	alone      bool // no later attempt would find it: it is removed rather than suspended
	ended      bool
}

// lockTimeout is how long to wait for the lock of an attempt that has not noticed yet that it has ended.
// Temporal's client notices within 16 seconds.
var lockTimeout = 20 * time.Second

// stageInFolder waits for the lock: without the file, what the earlier attempt did would be done again. If
// that attempt never releases it, the file gets another name.
func stageInFolder(ctx context.Context, dir string, to destination) (*stagingFile, error) {
	final := filepath.Join(dir, filepath.FromSlash(to.path))
	for until := time.Now().Add(lockTimeout); time.Now().Before(until); {
		f, err := openStagingFile(to.ref, final, to.key)
		if err != nil || f != nil {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fileError("write", to.ref, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
	f, err := openStagingFile(to.ref, final, to.key+rand.Text())
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return nil, fileError("write", to.ref, errors.New("another process has locked the new file"))
	}
	f.alone = true
	return f, nil
}

// openStagingFile returns nil when another attempt has locked the file.
func openStagingFile(ref, final, key string) (*stagingFile, error) {
	name := filepath.Join(filepath.Dir(final), stagingName(filepath.Base(final), key))
	if err := os.MkdirAll(filepath.Dir(final), 0o777); err != nil {
		return nil, fileError("write", ref, err)
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fileError("write", ref, err)
	}
	if !lock(file) {
		return nil, file.Close()
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fileError("write", ref, err), file.Close())
	}
	if now, err := os.Stat(name); err != nil || !os.SameFile(info, now) {
		return nil, file.Close() // it was committed before it could be locked
	}
	return &stagingFile{File: file, ref: ref, final: final, existing: info.Size()}, nil
}

func (f *stagingFile) Existing() (io.Reader, int64) {
	return io.NewSectionReader(f.File, 0, f.existing), f.existing
}

func (f *stagingFile) Truncate(size int64) error {
	err := f.File.Truncate(size)
	if err == nil {
		_, err = f.File.Seek(size, io.SeekStart)
	}
	return fileError("write", f.ref, err)
}

func (f *stagingFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, fileError("write", f.ref, err)
}

func (f *stagingFile) Commit() error {
	if f.ended {
		return endedBefore(f.ref)
	}
	if err := f.Sync(); err != nil {
		return fileError("write", f.ref, err)
	}
	f.ended = true
	// Renamed while it is locked, so that no other attempt opens a file that is committed.
	err := os.Rename(f.Name(), f.final)
	return fileError("write", f.ref, errors.Join(err, f.Close()))
}

func endedBefore(ref string) error {
	return fmt.Errorf("write %s: the file was committed or aborted before", ref)
}

func (f *stagingFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	err := os.Remove(f.Name())
	return fileError("remove", f.ref, errors.Join(err, f.Close()))
}

func (f *stagingFile) Suspend() error {
	if f.alone {
		return f.Abort()
	}
	if f.ended {
		return nil
	}
	f.ended = true
	return fileError("close", f.ref, f.Close())
}

// folderParts is a large file in a folder.
type folderParts struct {
	*stagingFile
	ctx context.Context
}

func partsInFolder(dir string) func(context.Context, destination, []byte) (Parts, error) {
	return func(ctx context.Context, to destination, _ []byte) (Parts, error) {
		f, err := stageInFolder(ctx, dir, to)
		if err != nil {
			return nil, err
		}
		return folderParts{f, ctx}, nil
	}
}

func (f folderParts) Resume(_ context.Context, size int64, sum []byte) (unusable string, err error) {
	existing, length := f.Existing()
	if length < size {
		return partsMissing, nil
	}
	unusable, err = verifyExisting(existing, size, sum)
	if err != nil {
		return partsDamaged, nil //nolint:nilerr // a disk that fails once will fail again
	}
	if unusable != "" {
		return unusable, nil
	}
	return "", f.Truncate(size)
}

func (f folderParts) Reset(context.Context, int) error { return f.Truncate(0) }

func (f folderParts) WritePart(_ context.Context, _ int, offset int64, p []byte) error {
	if _, err := f.WriteAt(p, offset); err != nil {
		return fileError("write", f.ref, err)
	}
	writeBack(f.File, offset, int64(len(p)))
	return nil
}

func (folderParts) State() []byte { return nil }

func (f folderParts) Commit() error {
	if err := f.ctx.Err(); err != nil {
		return fileError("write", f.ref, err)
	}
	err := f.stagingFile.Commit()
	if err != nil && !f.ended { // the disk may have lost bytes that reads still show
		err = errors.Join(err, f.Abort())
	}
	return err
}
