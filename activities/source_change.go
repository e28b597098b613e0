package activities

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// SourceChangeInput names a file, or a folder, that was uploaded before.
type SourceChangeInput struct {
	// File is "store/path", with a "/" at the end of a folder.
	File   string `json:"file"`
	Marker string `json:"marker,omitempty"`
	// SHA256 is that of the file, or of the list of a folder's files.
	SHA256 string `json:"sha256"`
	// ListedIn is the "store/path" of the list of a folder's files.
	ListedIn string `json:"listed_in,omitempty"`
}

// SourceChange says how a file in a store differs from what was uploaded before, or nothing.
func (a *Activities) SourceChange(ctx context.Context, in SourceChangeInput) (string, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go every(reading, activity.GetInfo(ctx).HeartbeatTimeout/3+time.Second, func() { activity.RecordHeartbeat(ctx) })
	m := &transfer.Mover{Stores: a.stores}
	var (
		change string
		err    error
	)
	if strings.HasSuffix(in.File, "/") {
		m.MaxFileSize = maxSize
		change, err = m.FolderChange(ctx, transfer.Folder{Path: in.File, ListTo: in.ListedIn, Marker: in.Marker}, in.SHA256)
	} else {
		change, err = m.FileChange(ctx, in.File, in.SHA256)
	}
	if err != nil {
		return "", classifyCall(ctx, err)
	}
	return change, nil
}

// maxSize is no limit: what was uploaded before was not too large.
const maxSize = 1 << 62
