package stores

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"gocloud.dev/gcerrors"
)

const (
	// saveInterval is the least pause between two saves of a draft. A save that takes long is followed by a
	// pause that is several times as long, so that a large draft is not written again and again.
	saveInterval = 2 * time.Second
	savePauses   = 9
	// lastSaveTimeout bounds the save of a draft that is left, whose context may have ended.
	lastSaveTimeout = 10 * time.Second
)

// stagingObject is in memory and, as it was some seconds ago, in its store under a name that no reference reaches.
// It is saved whole, as a bucket has files only whole.
type stagingObject struct {
	destination
	ctx    context.Context
	bucket opened
	beside string // the path of what is saved
	found  []byte
	mu     sync.Mutex
	text   []byte
	over   chan struct{} // closed at the end
	saving sync.WaitGroup
	quiet  bool // over is closed
	ended  bool
}

func stageInBucket(ctx context.Context, bucket opened, to destination) (*stagingObject, error) {
	beside := path.Join(path.Dir(to.path), stagingName(path.Base(to.path), to.key))
	d := &stagingObject{destination: to, ctx: ctx, bucket: bucket, beside: beside, over: make(chan struct{})}
	var err error
	d.found, err = bucket.ReadAll(ctx, beside)
	switch gcerrors.Code(err) {
	case gcerrors.OK, gcerrors.NotFound, gcerrors.PermissionDenied: // S3 says the last where a key may not list
		d.saving.Go(d.keepSaving)
		return d, nil
	}
	return nil, fileError("look for what is left of", to.ref, err)
}

func (d *stagingObject) Existing() (io.Reader, int64) {
	return bytes.NewReader(d.found), int64(len(d.found))
}

func (d *stagingObject) Truncate(size int64) error {
	if size > int64(len(d.found)) {
		return fmt.Errorf("write %s: %d bytes were left of this file, not %d", d.ref, len(d.found), size)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = bytes.Clone(d.found[:size])
	return nil
}

func (d *stagingObject) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, p...)
	return len(p), nil
}

func (d *stagingObject) written() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

// keepSaving saves what is new until the end. A save that fails costs only what a later attempt does again.
func (d *stagingObject) keepSaving() {
	saved, pause := len(d.found), saveInterval
	for {
		select {
		case <-d.over:
			return
		case <-d.ctx.Done():
			return
		case <-time.After(pause):
		}
		text, began := d.written(), time.Now()
		if len(text) != saved && d.put(d.ctx, d.beside, text) == nil {
			saved = len(text)
		}
		pause = max(saveInterval, savePauses*time.Since(began))
	}
}

func (d *stagingObject) put(ctx context.Context, path string, text []byte) error {
	w, err := create(ctx, d.bucket, d.ref, path)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		_ = w.Abort()
		return err
	}
	return w.Commit()
}

// settle waits for a save that is under way, and has no other begin.
func (d *stagingObject) settle() {
	if !d.quiet {
		close(d.over)
		d.quiet = true
	}
	d.saving.Wait()
}

// Commit ends the draft only where it succeeds: else what was written since the last save can still be left.
func (d *stagingObject) Commit() error {
	if d.ended {
		return fmt.Errorf("write %s: the file was ended before", d.ref)
	}
	d.settle()
	if err := d.put(d.ctx, d.path, d.text); err != nil {
		return err
	}
	if err := d.drop(); err != nil {
		return err
	}
	d.ended = true
	return nil
}

func (d *stagingObject) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	d.settle()
	return d.drop()
}

func (d *stagingObject) Suspend() error {
	if d.ended {
		return nil
	}
	d.ended = true
	d.settle()
	if len(d.text) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), lastSaveTimeout)
	defer cancel()
	return d.put(ctx, d.beside, d.text)
}

// drop removes what is saved, or empties it where that is forbidden.
func (d *stagingObject) drop() error {
	err := d.bucket.Delete(d.ctx, d.beside)
	switch gcerrors.Code(err) {
	case gcerrors.OK, gcerrors.NotFound:
		return nil
	case gcerrors.PermissionDenied:
		return d.put(d.ctx, d.beside, nil)
	}
	return fileError("drop what was left of", d.ref, err)
}
