package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// WriteAuditInput is the record of a close, and its file.
type WriteAuditInput struct {
	// File is "store/path".
	File string `json:"file"`
	audit.Sized
}

// AuditWritten names the file of the record, and has its seal.
type AuditWritten struct {
	File string `json:"file"`
	audit.Seal
	// Damaged says what is wrong with the file of the input, where the record is in a file beside it.
	Damaged string `json:"damaged,omitempty"`
}

// maxAudit is the size of a file to which a record can be added, in bytes.
const maxAudit = 256 << 20

// WriteAudit appends a record to its file, after those of earlier runs of the close. Repeating it writes the
// same bytes. A damaged file is kept as it is, as evidence, and the record is written to a file beside it.
func (a *Activities) WriteAudit(ctx context.Context, in WriteAuditInput) (AuditWritten, error) {
	record, err := in.Unpack()
	if err != nil {
		return AuditWritten{}, err
	}
	written, err := a.appendAudit(ctx, in.File, record)
	var broken *audit.Broken
	if errors.As(err, &broken) {
		written, err = a.appendAudit(ctx, beside(in.File, record.Execution), record)
		written.Damaged = fmt.Sprintf("%s is damaged, %v", in.File, broken)
	}
	if errors.As(err, &broken) { // that one is damaged as well
		err = temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s: %v", in.File, broken), Refused, nil)
	}
	return written, classifyCall(ctx, err)
}

// beside returns a file's name with a mark before its ending.
func beside(file, mark string) string {
	ending := path.Ext(file)
	return strings.TrimSuffix(file, ending) + "." + mark + ending
}

func (a *Activities) appendAudit(ctx context.Context, file string, record audit.Record) (AuditWritten, error) {
	before, err := a.readAtMost(ctx, file, maxAudit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return AuditWritten{}, err
	}
	text, end, err := audit.Append(before, record)
	if err != nil {
		return AuditWritten{}, err
	}
	target, err := a.stores.Create(ctx, file)
	if err != nil {
		return AuditWritten{}, err
	}
	defer func() { _ = target.Abort() }() // harmless after the commit
	if _, err := target.Write(text); err != nil {
		return AuditWritten{}, err
	}
	return AuditWritten{File: file, Seal: end}, target.Commit()
}

// readAtMost reads a whole file, and refuses one that is larger than limit, in bytes.
func (a *Activities) readAtMost(ctx context.Context, ref string, limit int64) ([]byte, error) {
	source, err := a.stores.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if source.Size() > limit {
		message := fmt.Sprintf("%s has %d bytes; the maximum is %d", ref, source.Size(), limit)
		return nil, temporal.NewNonRetryableApplicationError(message, Refused, nil)
	}
	return io.ReadAll(source)
}
