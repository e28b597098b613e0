package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// FileChange says how a file differs from the one that had a SHA-256, or nothing.
func (m *Mover) FileChange(ctx context.Context, ref, sum string) (string, error) {
	now, err := m.digest(ctx, ref)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ref + " is not in its store any more", nil
	case err != nil || now == sum:
		return "", err
	}
	return fmt.Sprintf("%s has other bytes: its SHA-256 was %s, and is %s", ref, sum, now), nil
}

// FolderChange says how the files of a folder differ from those that its list names, or nothing. sum is the SHA-256
// of the list.
func (m *Mover) FolderChange(ctx context.Context, folder Folder, sum string) (string, error) {
	change, err := m.FileChange(ctx, folder.ListTo, sum)
	if err != nil || change != "" {
		return change, err
	}
	sent, err := m.SentFiles(ctx, folder.ListTo)
	if err != nil {
		return "", err
	}
	files, _, err := m.filesOf(ctx, folder)
	var incomplete *MissingError
	switch {
	case errors.As(err, &incomplete):
		return incomplete.Message, nil
	case err != nil:
		return "", err
	}
	missing := map[string]string{}
	for _, f := range sent {
		missing[f.File] = f.SHA256
	}
	for _, file := range files {
		was, ok := missing[file.Ref]
		if !ok {
			return file.Ref + " is new", nil
		}
		if change, err := m.FileChange(ctx, file.Ref, was); err != nil || change != "" {
			return change, err
		}
		delete(missing, file.Ref)
	}
	if len(missing) > 0 {
		return fmt.Sprintf("%d of its files are not in their store any more", len(missing)), nil
	}
	return "", nil
}

func (m *Mover) digest(ctx context.Context, ref string) (string, error) {
	file, err := m.Stores.Open(ctx, ref)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
