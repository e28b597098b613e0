package activities

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// FileInfo is a file in a store.
type FileInfo struct {
	File     string    `json:"file"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// PutFileInput moves a file from a store to a pre-authenticated URL.
type PutFileInput struct {
	Connection string    `json:"connection"`
	File       FileInfo  `json:"file"`
	PAR        SealedPAR `json:"par"`
}

// GetFileInput moves a file from a pre-authenticated URL into a store.
type GetFileInput struct {
	Connection string    `json:"connection"`
	PAR        SealedPAR `json:"par"`
	// SaveTo is "store/path". Nothing stands there until the file is whole and checked.
	SaveTo string `json:"save_to"`
}

// Moved is a file that arrived and was checked.
type Moved struct {
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
	ETag   string `json:"etag,omitempty"`
}

// TransferProgress is the heartbeat of a transfer, in bytes. Total is 0 while unknown.
type TransferProgress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
}

// PutFile sends a file to a pre-authenticated URL. Sending it again replaces it.
func (a *Activities) PutFile(ctx context.Context, in PutFileInput) (Moved, error) {
	conn, url, err := a.opened(in.Connection, in.PAR)
	if err != nil {
		return Moved{}, err
	}
	now, err := a.stores.Stat(ctx, in.File.File)
	if err == nil && (now.Size != in.File.Size || !now.ModTime.Equal(in.File.Modified)) {
		return Moved{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("%s changed since it was found (%d bytes then, %d now): retry once it is complete", in.File.File, in.File.Size, now.Size), FileChanged, nil)
	}
	if err != nil {
		return Moved{}, repeatable(err)
	}
	source, err := a.stores.Open(ctx, in.File.File)
	if err != nil {
		return Moved{}, repeatable(err)
	}
	defer source.Close()
	rows := newRows(in.File.File)
	sent, err := conn.objects.Put(ctx, url, rows.reading(source), in.File.Size, heartbeat(ctx, in.File.Size))
	if err != nil {
		return Moved{}, repeatable(err)
	}
	return Moved{Bytes: sent.Bytes, Rows: rows.count(), SHA256: sent.SHA256, ETag: sent.ETag}, nil
}

// GetFile saves what is behind a pre-authenticated URL. Under the final name stands
// nothing, or the whole file.
func (a *Activities) GetFile(ctx context.Context, in GetFileInput) (Moved, error) {
	conn, url, err := a.opened(in.Connection, in.PAR)
	if err != nil {
		return Moved{}, err
	}
	target, err := a.stores.Create(ctx, in.SaveTo)
	if err != nil {
		return Moved{}, repeatable(err)
	}
	defer func() { _ = target.Abort() }() // harmless after the commit
	rows := newRows(in.SaveTo)
	received, err := conn.objects.Get(ctx, url, io.MultiWriter(target, rows), heartbeat(ctx, 0))
	if err != nil {
		return Moved{}, repeatable(err)
	}
	if err := target.Commit(); err != nil {
		return Moved{}, repeatable(err)
	}
	return Moved{Bytes: received.Bytes, Rows: rows.count(), SHA256: received.SHA256, ETag: received.ETag}, nil
}

func (a *Activities) opened(name string, sealed SealedPAR) (*connection, string, error) {
	conn, err := a.connection(name)
	if err != nil {
		return nil, "", err
	}
	url, err := conn.open(sealed)
	if err != nil {
		return nil, "", temporal.NewNonRetryableApplicationError(err.Error(), PARExpired, nil)
	}
	return conn, url, nil
}

// heartbeat tells Temporal how far a transfer is; the SDK thins the calls out.
func heartbeat(ctx context.Context, total int64) func(done int64) {
	return func(done int64) { activity.RecordHeartbeat(ctx, TransferProgress{Done: done, Total: total}) }
}
