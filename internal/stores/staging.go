package stores

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob/fileblob"
)

// Section reads length bytes of a file from offset on, or fewer where it ends
// before. ctx must stay alive for as long as they are read.
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

// StagedFile is a small file on its way into a store, written from its first byte to
// its last; a large one is written in [Parts]. It ends with Abort, Suspend or a Commit that succeeds; Abort after any
// of them is harmless. A Commit that fails is followed by one of the others. What is left is found by a later draft of the same file and key: in a folder on any worker that
// shares it, elsewhere on any worker at all. One that dies leaves what it wrote until then, in a folder to the
// last byte, elsewhere until some seconds before.
type StagedFile interface {
	io.Writer
	// Existing reads what was found, and says how many bytes that is.
	Existing() (io.Reader, int64)
	// Truncate keeps the first size bytes, behind which the next ones are written.
	Truncate(size int64) error
	// Commit puts the file under its name.
	Commit() error
	Abort() error
	Suspend() error
}

// StagedFile starts a file, or goes on with one that was left. The key tells apart
// those who write the same file; two at once must not have the same key.
func (s *Stores) Stage(ctx context.Context, ref, key string) (StagedFile, error) {
	bucket, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	to := destination{ref, path, key}
	store, _, _ := strings.Cut(ref, "/")
	if dir, ok := s.folders[store]; ok && !escaped(path) {
		return stageInFolder(ctx, dir, to)
	}
	return stageInBucket(ctx, bucket, to)
}

// escaped tells that the library does not keep the file under its plain path.
func escaped(path string) bool {
	return strings.Contains(path, "../") || strings.Contains(path, "__0x")
}

// folderOf is where the files of a store's URL are, if it is a folder.
func folderOf(u *url.URL) (string, bool) {
	if u.Scheme != fileblob.Scheme {
		return "", false
	}
	dir := u.Path
	if u.Host == "." {
		dir = strings.TrimPrefix(dir, "/")
	}
	return filepath.Clean(filepath.FromSlash(dir)), true
}

// stagingFile stands beside its file under a name that no reference reaches.
type stagingFile struct {
	*os.File
	ref, final string
	found      int64
	alone      bool // nobody finds it: it is dropped rather than left
	ended      bool
}

// stagingName is of a file that is not committed: one that no reference reaches.
func stagingName(base, key string) string {
	sum := sha256.Sum256([]byte(key))
	return "." + base + "." + hex.EncodeToString(sum[:8]) + ".part"
}

// lockTimeout is how long an attempt that has not noticed yet that it is over may keep its draft: Temporal's
// client tells it within 16 seconds.
var lockTimeout = 20 * time.Second

// stageInFolder waits for an attempt that has not noticed yet that it is over, for what it did would be done
// again; and gives way to one that never notices.
func stageInFolder(ctx context.Context, dir string, to destination) (*stagingFile, error) {
	final := filepath.Join(dir, filepath.FromSlash(to.path))
	for until := time.Now().Add(lockTimeout); time.Now().Before(until); {
		d, err := openStagingFile(to.ref, final, to.key)
		if err != nil || d != nil {
			return d, err
		}
		select {
		case <-ctx.Done():
			return nil, fileError("write", to.ref, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
	d, err := openStagingFile(to.ref, final, to.key+rand.Text())
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		return nil, fileError("write", to.ref, errors.New("somebody has taken the new file"))
	}
	d.alone = true
	return d, nil
}

// openStagingFile gives nil where somebody else has the draft open: an attempt that
// has not noticed yet that it is over.
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
	return &stagingFile{File: file, ref: ref, final: final, found: info.Size()}, nil
}

func (d *stagingFile) Existing() (io.Reader, int64) {
	return io.NewSectionReader(d.File, 0, d.found), d.found
}

func (d *stagingFile) Truncate(size int64) error {
	err := d.File.Truncate(size)
	if err == nil {
		_, err = d.File.Seek(size, io.SeekStart)
	}
	if err != nil {
		return fileError("write", d.ref, err)
	}
	return nil
}

func (d *stagingFile) Write(p []byte) (int, error) {
	n, err := d.File.Write(p)
	if err != nil {
		return n, fileError("write", d.ref, err)
	}
	return n, nil
}

func (d *stagingFile) Commit() error {
	if d.ended {
		return fmt.Errorf("write %s: the file was ended before", d.ref)
	}
	if err := d.Sync(); err != nil {
		return fileError("write", d.ref, err)
	}
	d.ended = true
	// Renamed while the lock is held, so that nobody takes up a draft that is done.
	err := os.Rename(d.Name(), d.final)
	if err := errors.Join(err, d.Close()); err != nil {
		return fileError("write", d.ref, err)
	}
	return nil
}

func (d *stagingFile) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	err := os.Remove(d.Name())
	if err := errors.Join(err, d.Close()); err != nil {
		return fileError("drop", d.ref, err)
	}
	return nil
}

func (d *stagingFile) Suspend() error {
	if d.alone {
		return d.Abort()
	}
	if d.ended {
		return nil
	}
	d.ended = true
	if err := d.Close(); err != nil {
		return fileError("leave", d.ref, err)
	}
	return nil
}

// folderParts is the draft of a large file.
type folderParts struct {
	*stagingFile
	ctx context.Context
}

func partsInFolder(dir string) func(context.Context, destination, []byte) (Parts, error) {
	return func(ctx context.Context, to destination, _ []byte) (Parts, error) {
		d, err := stageInFolder(ctx, dir, to)
		if err != nil {
			return nil, err
		}
		return folderParts{d, ctx}, nil
	}
}

func (d folderParts) Resume(_ context.Context, size int64, sum []byte) (lost string, err error) {
	held, length := d.Existing()
	if length < size {
		return partsMissing, nil
	}
	lost, err = verifyExisting(held, size, sum)
	if err != nil {
		return partsDamaged, nil // a disk gives no second chance
	}
	if lost != "" {
		return lost, nil
	}
	return "", d.Truncate(size)
}

func (d folderParts) Reset(context.Context, int) error { return d.Truncate(0) }

func (d folderParts) WritePart(_ context.Context, _ int, offset int64, p []byte) error {
	if _, err := d.WriteAt(p, offset); err != nil {
		return fileError("write", d.ref, err)
	}
	writeBack(d.File, offset, int64(len(p)))
	return nil
}

func (folderParts) State() []byte { return nil }

func (d folderParts) Commit() error {
	if err := d.ctx.Err(); err != nil {
		return fileError("write", d.ref, err)
	}
	err := d.stagingFile.Commit()
	if err != nil && !d.ended { // the disk may have lost what it took, and reads show it all the same
		err = errors.Join(err, d.Abort())
	}
	return err
}
