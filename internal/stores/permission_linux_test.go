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

func TestAFileThatIsNotForUs(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gl.csv"), []byte("a\n"), 0o000))
	if os.Geteuid() == 0 { // root may read everything, but not this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		require.NoError(t, syscall.Setfsuid(65532))
		defer func() { require.NoError(t, syscall.Setfsuid(0)) }()
	}
	_, err := s.Open(t.Context(), "inbox/gl.csv")
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "read inbox/gl.csv")
}
