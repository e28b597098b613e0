package stores

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func init() { lockTimeout = time.Second }

func TestSection(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gl.csv"), []byte("0123456789"), 0o600))
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {8, 5, "89"}} {
		r, err := s.Section(t.Context(), "inbox/gl.csv", c.offset, c.length)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, c.want, string(got))
		require.NoError(t, r.Close())
	}
	_, err := s.Section(t.Context(), "inbox/missing.csv", 0, 1)
	require.ErrorContains(t, err, "inbox/missing.csv")
}

func TestStage_resumes(t *testing.T) {
	s, dir := folder(t)
	const ref = "inbox/2026-10-31/report.csv"
	d, err := s.Stage(t.Context(), ref, "close/prod/night/report")
	require.NoError(t, err)
	require.NoError(t, d.Truncate(0))
	_, err = io.WriteString(d, "01234")
	require.NoError(t, err)

	other, err := s.Stage(t.Context(), ref, "close/prod/night/report")
	require.NoError(t, err)
	_, held := other.Existing()
	assert.Zero(t, held, "another attempt has it")
	require.NoError(t, other.Suspend())
	require.NoError(t, d.Suspend())
	require.NoError(t, d.Abort(), "after an end it is harmless")

	d, err = s.Stage(t.Context(), ref, "close/prod/another/report")
	require.NoError(t, err)
	_, held = d.Existing()
	assert.Zero(t, held, "another key, another staging file")
	require.NoError(t, d.Abort())

	d, err = s.Stage(t.Context(), ref, "close/prod/night/report")
	require.NoError(t, err)
	before, held := d.Existing()
	assert.EqualValues(t, 5, held)
	text, err := io.ReadAll(before)
	require.NoError(t, err)
	assert.Equal(t, "01234", string(text))
	require.NoError(t, d.Truncate(3))
	_, err = io.WriteString(d, "xyz")
	require.NoError(t, err)
	require.NoError(t, d.Commit())
	require.Error(t, d.Commit())
	got, err := os.ReadFile(filepath.Join(dir, "2026-10-31", "report.csv"))
	require.NoError(t, err)
	assert.Equal(t, "012xyz", string(got))
	assert.Equal(t, []string{"2026-10-31/report.csv"}, names(t, dir), "nothing else remains")
}

// An object cannot be appended to: what a worker wrote is saved while it continues to write.
func TestStage_survivesItsWorkerInABucket(t *testing.T) {
	t.Parallel()
	s, _ := folder(t)
	died, err := s.Stage(t.Context(), "memory/a.csv", "key")
	require.NoError(t, err)
	require.Error(t, died.Truncate(3), "there is no earlier attempt")
	require.NoError(t, died.Truncate(0))
	_, err = io.WriteString(died, "abc\n")
	require.NoError(t, err)
	held := func() string {
		d, err := s.Stage(t.Context(), "memory/a.csv", "key")
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Suspend()) }()
		left, _ := d.Existing()
		text, err := io.ReadAll(left)
		require.NoError(t, err)
		return string(text)
	}
	require.Empty(t, held())
	require.Eventually(t, func() bool { return held() == "abc\n" }, 20*time.Second, 100*time.Millisecond)
	_, err = io.WriteString(died, "def\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return held() == "abc\ndef\n" }, 20*time.Second, 100*time.Millisecond)
	_, err = s.Stat(t.Context(), "memory/a.csv")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// The list of a folder's files is such a file: what is lost of it is sent again, under other ids.
func TestStage_suspendsAfterAFailedCommit(t *testing.T) {
	s, _ := folder(t)
	begin := func(ctx context.Context, ref, want string) StagedFile {
		d, err := s.Stage(ctx, ref, "key")
		require.NoError(t, err)
		held, _ := d.Existing()
		text, err := io.ReadAll(held)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
		return d
	}
	t.Run("in a bucket", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := begin(ctx, "memory/a.csv", "")
		_, err := io.WriteString(d, "abc\n")
		require.NoError(t, err)
		cancel()
		require.Error(t, d.Commit())
		require.NoError(t, d.Suspend())
		require.NoError(t, d.Abort())
		require.NoError(t, begin(t.Context(), "memory/a.csv", "abc\n").Commit())
	})
	t.Run("on a full disk", func(t *testing.T) {
		d := begin(t.Context(), "inbox/a.csv", "")
		_, err := io.WriteString(d, "abc\n")
		require.NoError(t, err)
		require.NoError(t, d.(*stagingFile).Close()) // a closed file cannot be synced
		require.Error(t, d.Commit())
		_ = d.Suspend()
		require.NoError(t, begin(t.Context(), "inbox/a.csv", "abc\n").Commit())
	})
}
