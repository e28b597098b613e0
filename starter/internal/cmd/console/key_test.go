package console

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/console"
)

func TestWriteNew_isForItsOwnerAndReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.key")
	require.NoError(t, writeNew(path, []byte("first")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.ErrorContains(t, writeNew(path, []byte("second")), "exists: a console may be using it")
	_, err = console.NewSigner(path)
	require.ErrorContains(t, err, "must be a private key")
}
