package stores_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/stores/storestest"
)

func open(t *testing.T, p stores.Settings) *stores.Stores {
	t.Helper()
	s, err := stores.Open(t.Context(), map[string]stores.Settings{"s": p})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestStores_conform(t *testing.T) {
	t.Run("folder", func(t *testing.T) { storestest.Run(t, open(t, stores.Settings{URL: "file://" + t.TempDir()}), "s") })
	t.Run("memory", func(t *testing.T) { storestest.Run(t, open(t, stores.Settings{URL: "mem://"}), "s") })
	t.Run("sftp", func(t *testing.T) {
		server := startSFTP(t)
		storestest.Run(t, open(t, stores.Settings{URL: server.url(t.TempDir()), Password: "secret", Fingerprint: server.fingerprint()}), "s")
	})
	t.Run("sftp without extensions", func(t *testing.T) {
		plainSFTP(t)
		server := startSFTP(t)
		storestest.Run(t, open(t, stores.Settings{URL: server.url(t.TempDir()), Password: "secret", Fingerprint: server.fingerprint()}), "s")
	})
}

const smallPart = 100 << 10

func TestParts_resume(t *testing.T) {
	again := func(t *testing.T, p stores.Settings) func() *stores.Stores {
		return func() *stores.Stores { return open(t, p) }
	}
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		storestest.Resume(t, again(t, stores.Settings{URL: "file://" + dir}), "s", smallPart, func() { spoil(t, dir) })
	})
	t.Run("sftp", func(t *testing.T) {
		server, dir := startSFTP(t), t.TempDir()
		settings := stores.Settings{URL: server.url(dir), Password: "secret", Fingerprint: server.fingerprint()}
		storestest.Resume(t, again(t, settings), "s", smallPart, func() { spoil(t, dir) })
	})
}

// spoil changes a byte of what is left.
func spoil(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "resume", ".*.part"))
	require.NoError(t, err)
	require.Len(t, left, 1)
	file, err := os.OpenFile(left[0], os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte("no"), 1000)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func TestSettings_Problems(t *testing.T) {
	for _, c := range []struct {
		settings stores.Settings
		want     []string
	}{
		{stores.Settings{URL: "file:///data", Password: "x", AccessKey: "y"}, []string{"access_key: does not apply to a store of the scheme file", "password: does not apply to a store of the scheme file"}},
		{stores.Settings{URL: "s3://b1?region=r", SecretKey: "x"}, []string{"access_key: is missing: it goes with secret_key"}},
		{stores.Settings{URL: "sftp://u@h/x"}, []string{"key_file: is missing", "known_hosts: set either"}},
		{stores.Settings{URL: "sftp://u@h/x", Password: "x", KnownHosts: "/a", Fingerprint: "SHA256:x"}, []string{"known_hosts: set either", `fingerprint: "SHA256:x" is not a fingerprint`}},
		{stores.Settings{URL: "sftp://u@h/x", KeyFile: "/does/not/exist", KnownHosts: "/neither"}, []string{"key_file: open /does/not/exist", "known_hosts: open /neither"}},
		{stores.Settings{URL: "sftp://h/x"}, []string{"url: use sftp://"}},
	} {
		texts := c.settings.Problems().Texts()
		require.Len(t, texts, len(c.want), "%q", texts)
		for i := range c.want {
			assert.Contains(t, texts[i], c.want[i])
		}
	}
	_, locked := newKey(t)
	file := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(file, locked, 0o600))
	problems := stores.Settings{URL: "sftp://u@h/x", KeyFile: file, Fingerprint: "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"}.Problems()
	require.Len(t, problems, 1)
	assert.Contains(t, problems[0].Message, "is encrypted")
}
