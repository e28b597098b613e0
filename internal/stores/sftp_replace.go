package stores

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/pkg/sftp"
)

// The rename of the SFTP protocol does not replace an existing file. Servers other than OpenSSH's may have
// no better one. For these the old file is put aside until the new one has its name, so that one of them
// can always be found, whatever fails in between.
//
// One case remains: a worker dies when the new file has its name and the old one is not removed yet, and
// then another program takes the new one away. The old one is restored.

// aside is the name of an old file that is being replaced. No reference leads to it, and no list has it.
func aside(final string) string {
	return path.Join(path.Dir(final), "."+path.Base(final)+".replaced")
}

func (s *session) replacesAtOnce() bool {
	_, ok := s.HasExtension("posix-rename@openssh.com")
	return ok
}

// replace gives a staging file its final name.
func (s *session) replace(staging, final string) error {
	if s.replacesAtOnce() {
		return s.PosixRename(staging, final)
	}
	old, err := s.putAside(final)
	if err != nil {
		return err
	}
	if err := s.Rename(staging, final); err != nil {
		return errors.Join(err, missingIsFine(s.restore(final)))
	}
	err = s.ifMissing(aside(final), s.Remove(aside(final)))
	if old && errors.Is(err, fs.ErrNotExist) { // another worker restored it: unknown which of them has the name
		return fmt.Errorf("the old %s was restored while it was being replaced", final)
	}
	return missingIsFine(err)
}

// putAside reports whether there was an old file. It removes what an interrupted replacement left only while
// a file has the final name.
func (s *session) putAside(final string) (bool, error) {
	info, err := s.Lstat(final)
	switch err = s.ifMissing(final, err); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, fmt.Errorf("%s is a folder", final)
	}
	if err := s.removeAny(aside(final)); err != nil {
		return false, err
	}
	return true, s.Rename(final, aside(final))
}

// restore ends an interrupted replacement. The error is [fs.ErrNotExist] when there was none.
func (s *session) restore(final string) error {
	if _, err := s.Lstat(aside(final)); err != nil {
		return s.ifMissing(aside(final), err)
	}
	return s.Rename(aside(final), final)
}

func (s *session) removeAny(name string) error {
	return missingIsFine(s.ifMissing(name, s.Remove(name)))
}

// ifMissing returns [fs.ErrNotExist] for the FAILURE with which some servers answer where a file is missing: its folder
// does not list it, or is missing itself.
func (s *session) ifMissing(name string, err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) || status.FxCode() != sftp.ErrSSHFxFailure {
		return err
	}
	folder := path.Dir(name)
	entries, unread := s.ReadDir(folder)
	listed := slices.ContainsFunc(entries, func(e fs.FileInfo) bool { return e.Name() == path.Base(name) })
	switch {
	case unread == nil && !listed:
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	case unread != nil && folder != path.Dir(folder) && errors.Is(s.ifMissing(folder, unread), fs.ErrNotExist):
		return fmt.Errorf("%s: %w", folder, fs.ErrNotExist)
	}
	return err
}

func missingIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// findFile opens or stats a file, once more when it was missing: it may have been put aside by a worker that
// died, or by one that has just ended its replacement.
func findFile[T any](s *session, final string, find func(name string) (T, error)) (T, error) {
	found, err := find(final)
	err = s.ifMissing(final, err)
	if !errors.Is(err, fs.ErrNotExist) || s.replacesAtOnce() {
		return found, err
	}
	if failed := missingIsFine(s.restore(final)); failed != nil {
		return found, failed
	}
	found, err = find(final)
	return found, s.ifMissing(final, err)
}
