package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// StatFileInput names a file that must exist and be complete.
type StatFileInput struct {
	// File is "store/path".
	File string `json:"file"`
	// Wait makes the activity wait for what is missing, until its timeout.
	Wait bool `json:"wait,omitempty"`
	// StableFor is how long size and time must not have changed. The activity waits for that with or without Wait.
	StableFor time.Duration `json:"stable_for,omitempty"`
	// Marker is the "store/path" of a file whose presence says that File is complete.
	Marker string `json:"marker,omitempty"`
	// MinSize is the size of the smallest complete file, in bytes; a smaller one is not complete yet.
	MinSize int64 `json:"min_size,omitempty"`
	// Last ends all waiting: the activity returns the file, or fails with what is wrong with it.
	Last bool `json:"last,omitempty"`
	Poll
}

// StatFile returns a file's size once the file is complete. When the file or its marker is missing, it
// waits, or fails as FileMissing.
func (a *Activities) StatFile(ctx context.Context, in StatFileInput) (FileInfo, error) {
	found, err := a.findMarked(ctx, in)
	if err == nil && in.StableFor > 0 {
		err = stable(ctx, in, found)
	}
	if err == nil {
		err = a.largeEnough(ctx, in, found)
	}
	return found, err
}

// largeEnough comes after [stable]: without Wait, the time of StableFor is how long an empty file may stay so.
func (a *Activities) largeEnough(ctx context.Context, in StatFileInput, found FileInfo) error {
	switch {
	case found.Size >= in.MinSize:
		return nil
	case in.Wait && !in.Last:
		return a.stillWaiting(ctx, in.Since, "%s has %d bytes so far", in.File, found.Size)
	}
	return fileMissing("%s has %d bytes, and the service accepts files of %d bytes and more: put the complete file there, "+
		"then retry", in.File, found.Size, in.MinSize)
}

// findMarked finds a file, and the marker that says it is complete.
func (a *Activities) findMarked(ctx context.Context, in StatFileInput) (FileInfo, error) {
	found, err := a.find(ctx, in, in.File)
	if err == nil && in.Marker != "" {
		_, err = a.find(ctx, in, in.Marker)
	}
	return found, err
}

func (a *Activities) find(ctx context.Context, in StatFileInput, file string) (FileInfo, error) {
	info, err := a.stores.Stat(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && in.Wait && !in.Last:
		return FileInfo{}, a.stillWaiting(ctx, in.Since, "%s is not there yet", file)
	case errors.Is(err, fs.ErrNotExist) && file == in.Marker:
		return FileInfo{}, fileMissing("%s is there, but its marker %s is not: make sure that the file is complete, create the marker, then retry", in.File, file)
	case errors.Is(err, fs.ErrNotExist):
		return FileInfo{}, fileMissing("%s is not in its store: put it there, then retry", file)
	case err != nil && in.Wait && !in.Last:
		return FileInfo{}, a.classifyPoll(ctx, in.Since, unknownStore(ctx, err))
	case err != nil:
		return FileInfo{}, classifyStore(ctx, unknownStore(ctx, err))
	}
	return FileInfo{File: file, Size: info.Size, Modified: info.ModTime, ETag: info.ETag}, nil
}

func fileMissing(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), FileMissing, nil)
}

// unchanged is the heartbeat of StatFile: since when a file has not changed. It passes from one attempt to
// the next, so that no worker is occupied in between.
type unchanged struct {
	FileInfo
	Since time.Time `json:"since"`
}

func stable(ctx context.Context, in StatFileInput, found FileInfo) error {
	now := time.Now()
	var before unchanged
	same := activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil &&
		before.Size == found.Size && before.Modified.Equal(found.Modified)
	if !same {
		before = unchanged{found, now}
	}
	left := in.StableFor - now.Sub(before.Since)
	switch {
	case same && left <= 0:
		return nil
	case in.Last:
		return fileMissing("%s is there with %d bytes, but has not been stable for %s: make sure that it is complete, then retry",
			in.File, found.Size, in.StableFor)
	}
	activity.RecordHeartbeat(ctx, before)
	message := fmt.Sprintf("%s has %d bytes; waiting until it has been stable for %s", in.File, found.Size, in.StableFor)
	return temporal.NewApplicationErrorWithOptions(message, StillWaiting, temporal.ApplicationErrorOptions{
		NextRetryDelay: max(left, time.Second/10),
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}
