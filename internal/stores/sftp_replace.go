package stores

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// SFTP's own rename does not replace what stands under a name. Servers other than OpenSSH's may
// offer nothing better. There the old file is put aside until the new one stands, so that one of
// them is always to be found, whatever fails between.
//
// One case remains: a worker dies when the new file stands and the old one is not dropped yet, and
// then somebody takes the new one away. The old one is found in its place.

// aside is where the old file waits: a name that no reference reaches, and no list shows.
func aside(final string) string {
	return path.Join(path.Dir(final), "."+path.Base(final)+".replaced")
}

func (s *session) replacesAtOnce() bool {
	_, ok := s.HasExtension("posix-rename@openssh.com")
	return ok
}

// replace puts a staging under its name.
func (s *session) replace(staging, final string) error {
	if s.replacesAtOnce() {
		return s.PosixRename(staging, final)
	}
	old, err := s.putAside(final)
	if err != nil {
		return err
	}
	if err := s.Rename(staging, final); err != nil {
		return errors.Join(err, missingIsFine(s.putBack(final)))
	}
	err = s.Remove(aside(final))
	if old && errors.Is(err, fs.ErrNotExist) { // somebody took this for cut off: it is not certain what stands there
		return fmt.Errorf("%s was put back while it was being replaced", final)
	}
	return missingIsFine(err)
}

// putAside tells whether there was something. What a replacement left that was cut off is dropped
// only while something stands under the name.
func (s *session) putAside(final string) (bool, error) {
	info, err := s.Lstat(final)
	switch {
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

// putBack ends a replacement that was cut off. It is [fs.ErrNotExist] when there was none.
func (s *session) putBack(final string) error {
	if _, err := s.Lstat(aside(final)); err != nil {
		return err
	}
	return s.Rename(aside(final), final)
}

func (s *session) removeAny(name string) error { return missingIsFine(s.Remove(name)) }

func missingIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// standing looks at a file, once more where it was missing: it may have been put aside by a worker
// that died, or by one that has just ended its replacement.
func standing[T any](s *session, final string, look func(name string) (T, error)) (T, error) {
	found, err := look(final)
	if !errors.Is(err, fs.ErrNotExist) || s.replacesAtOnce() {
		return found, err
	}
	if failed := missingIsFine(s.putBack(final)); failed != nil {
		return found, failed
	}
	return look(final)
}
