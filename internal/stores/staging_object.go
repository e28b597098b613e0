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
	// saveInterval is the minimum pause between two saves. A save that takes long is followed by a pause
	// that is savePauses times as long, so that a large file is not written again and again.
	saveInterval = 2 * time.Second
	savePauses   = 9
	// lastSaveTimeout bounds the save of Suspend, after the context may have ended.
	lastSaveTimeout = 10 * time.Second
)

// stagingObject is a staged file in memory. A copy of it, some seconds old, is an object beside the final
// one. It is saved as a whole because an object cannot be appended to.
type stagingObject struct {
	destination
	ctx      context.Context
	bucket   opened
	copyPath string
	existing []byte

	mu   sync.Mutex
	text []byte

	stop   context.CancelFunc // of keepSaving
	saving sync.WaitGroup
	ended  bool
}

func stageInBucket(ctx context.Context, bucket opened, to destination) (*stagingObject, error) {
	saving, stop := context.WithCancel(ctx)
	o := &stagingObject{
		destination: to,
		ctx:         ctx,
		bucket:      bucket,
		copyPath:    path.Join(path.Dir(to.path), stagingName(path.Base(to.path), to.key)),
		stop:        stop,
	}
	var err error
	o.existing, err = bucket.ReadAll(ctx, o.copyPath)
	switch gcerrors.Code(err) {
	case gcerrors.OK, gcerrors.NotFound, gcerrors.PermissionDenied: // S3 denies it when the key may not list
		o.saving.Go(func() { o.keepSaving(saving) })
		return o, nil
	}
	stop()
	return nil, fileError("look for the staging file of", to.ref, err)
}

func (o *stagingObject) Existing() (io.Reader, int64) {
	return bytes.NewReader(o.existing), int64(len(o.existing))
}

func (o *stagingObject) Truncate(size int64) error {
	if size > int64(len(o.existing)) {
		return fmt.Errorf("write %s: its staging file has %d bytes, not %d", o.ref, len(o.existing), size)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = bytes.Clone(o.existing[:size])
	return nil
}

func (o *stagingObject) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *stagingObject) written() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text
}

// keepSaving saves what is new until the end. A save that fails only costs what a later attempt repeats.
func (o *stagingObject) keepSaving(saving context.Context) {
	saved, pause := len(o.existing), saveInterval
	for {
		select {
		case <-saving.Done():
			return
		case <-time.After(pause):
		}
		text, began := o.written(), time.Now()
		if len(text) != saved && o.put(o.ctx, o.copyPath, text) == nil {
			saved = len(text)
		}
		pause = max(saveInterval, savePauses*time.Since(began))
	}
}

func (o *stagingObject) put(ctx context.Context, path string, text []byte) error {
	w, err := create(ctx, o.bucket, o.ref, path)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		_ = w.Abort()
		return err
	}
	return w.Commit()
}

// stopSaving waits for a save that has begun, and prevents another one.
func (o *stagingObject) stopSaving() {
	o.stop()
	o.saving.Wait()
}

// Commit ends the file only when it succeeds. After a failure Suspend can still save the last writes.
func (o *stagingObject) Commit() error {
	if o.ended {
		return endedBefore(o.ref)
	}
	o.stopSaving()
	if err := o.put(o.ctx, o.path, o.text); err != nil {
		return err
	}
	if err := o.removeCopy(); err != nil {
		return err
	}
	o.ended = true
	return nil
}

func (o *stagingObject) Abort() error {
	if o.ended {
		return nil
	}
	o.ended = true
	o.stopSaving()
	return o.removeCopy()
}

func (o *stagingObject) Suspend() error {
	if o.ended {
		return nil
	}
	o.ended = true
	o.stopSaving()
	if len(o.text) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), lastSaveTimeout)
	defer cancel()
	return o.put(ctx, o.copyPath, o.text)
}

// removeCopy empties the copy when it may not be deleted.
func (o *stagingObject) removeCopy() error {
	err := o.bucket.Delete(o.ctx, o.copyPath)
	switch gcerrors.Code(err) {
	case gcerrors.OK, gcerrors.NotFound:
		return nil
	case gcerrors.PermissionDenied:
		return o.put(o.ctx, o.copyPath, nil)
	}
	return fileError("remove the staging file of", o.ref, err)
}
