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

// StatFileInput names a file that is to be there, and complete.
type StatFileInput struct {
	// File is "store/path".
	File string `json:"file"`
	// Wait says that what is missing is waited for, until the activity's timeout.
	Wait bool `json:"wait,omitempty"`
	// StableFor is how long size and time must not have changed; this is waited for in any case.
	StableFor time.Duration `json:"stable_for,omitempty"`
	// Marker is the "store/path" of a file whose presence says that File is complete.
	Marker string `json:"marker,omitempty"`
	// Last says that nothing is waited for any more: the answer is what there is, or what is amiss.
	Last bool `json:"last,omitempty"`
	Poll
}

// StatFile answers with a file's size once it is complete. One that is missing, or lacks its
// marker, is FileMissing, or is waited for.
func (a *Activities) StatFile(ctx context.Context, in StatFileInput) (FileInfo, error) {
	found, err := a.findComplete(ctx, in)
	if err == nil && in.StableFor > 0 {
		err = stable(ctx, in, found)
	}
	if err != nil {
		return FileInfo{}, err
	}
	return found, nil
}

// findComplete finds a file, and the marker that says it is complete.
func (a *Activities) findComplete(ctx context.Context, in StatFileInput) (FileInfo, error) {
	found, err := a.lookFor(ctx, in, in.File)
	if err == nil && in.Marker != "" {
		_, err = a.lookFor(ctx, in, in.Marker)
	}
	return found, err
}

func (a *Activities) lookFor(ctx context.Context, in StatFileInput, file string) (FileInfo, error) {
	info, err := a.stores.Stat(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && in.Wait && !in.Last:
		return FileInfo{}, a.stillWaiting(ctx, in.Since, "%s is not there yet", file)
	case errors.Is(err, fs.ErrNotExist) && file == in.Marker:
		return FileInfo{}, fileMissing("%s is there, but not its marker %s: see that it is complete, put the marker there, then retry", in.File, file)
	case errors.Is(err, fs.ErrNotExist):
		return FileInfo{}, fileMissing("%s is not in its store: put it there, then retry", file)
	case err != nil:
		return FileInfo{}, a.classifyPoll(ctx, in.Since, unknownStore(ctx, err))
	}
	return FileInfo{File: file, Size: info.Size, Modified: info.ModTime, ETag: info.ETag}, nil
}

func fileMissing(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), FileMissing, nil)
}

// unchanged is the heartbeat of StatFile: since when a file is as it is. It passes from one
// look to the next, so that no worker is held in between.
type unchanged struct {
	FileInfo
	Since time.Time `json:"since"`
}

func stable(ctx context.Context, in StatFileInput, found FileInfo) error {
	now := time.Now()
	var before unchanged
	seen := activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil &&
		before.Size == found.Size && before.Modified.Equal(found.Modified)
	if !seen {
		before = unchanged{found, now}
	}
	left := in.StableFor - now.Sub(before.Since)
	switch {
	case seen && left <= 0:
		return nil
	case in.Last:
		return fileMissing("%s is there with %d bytes, but it was not seen unchanged for %s: see that it is complete, then retry", in.File, found.Size, in.StableFor)
	}
	activity.RecordHeartbeat(ctx, before)
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("%s has %d bytes and is watched until it did not change for %s", in.File, found.Size, in.StableFor), StillWaiting,
		temporal.ApplicationErrorOptions{NextRetryDelay: max(left, time.Second/10), Category: temporal.ApplicationErrorCategoryBenign})
}
