package stores

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen_noPermission(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gl.csv"), []byte("a\n"), 0o000))
	defer asNobody(t)()
	_, err := s.Open(t.Context(), "inbox/gl.csv")
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "read inbox/gl.csv")
}

// A folder without permission must not look empty: an operator would be asked to put files there.
func TestList_noPermission(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "gl"), 0o000))
	defer asNobody(t)()
	said := 0
	for _, err := range s.List(t.Context(), "inbox/gl/") {
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "list inbox/gl/")
		said++
	}
	require.Equal(t, 1, said)
}

func TestList_missingStore(t *testing.T) {
	s, dir := folder(t)
	for _, err := range s.List(t.Context(), "inbox/none/") {
		require.NoError(t, err)
	}
	require.NoError(t, os.Remove(dir))
	said := 0
	for _, err := range s.List(t.Context(), "inbox/none/") {
		require.ErrorIs(t, err, fs.ErrNotExist)
		said++
	}
	require.Equal(t, 1, said)
}

// asNobody removes root's permission to read everything from this thread, until back is called.
func asNobody(t *testing.T) (back func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		return func() {}
	}
	runtime.LockOSThread()
	require.NoError(t, syscall.Setfsuid(65532))
	return func() {
		require.NoError(t, syscall.Setfsuid(0))
		runtime.UnlockOSThread()
	}
}
