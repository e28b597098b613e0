package stores

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

func folder(t *testing.T) (*Stores, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(t.Context(), settings(map[string]string{"inbox": "file://" + dir, "memory": "mem://"}))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s, dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, rel)
		}
		return err
	}))
	return found
}

func TestCreate_namesTheFileAtTheCommit(t *testing.T) {
	for _, store := range []string{"inbox", "memory"} {
		t.Run(store, func(t *testing.T) {
			s, dir := folder(t)
			ref := store + "/2026-10-31/report.csv"

			w, err := s.Create(t.Context(), ref)
			require.NoError(t, err)
			_, err = io.WriteString(w, "a,b\n1,2\n")
			require.NoError(t, err)
			_, err = s.Stat(t.Context(), ref)
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.ErrorContains(t, err, ref)

			require.NoError(t, w.Commit())
			require.NoError(t, w.Abort(), "abort after commit changes nothing")
			require.Error(t, w.Commit())
			info, err := s.Stat(t.Context(), ref)
			require.NoError(t, err)
			assert.Equal(t, ref, info.Ref)
			assert.EqualValues(t, 8, info.Size)
			assert.NotEmpty(t, info.ETag)
			assert.False(t, info.ModTime.IsZero())
			if store == "inbox" {
				assert.Equal(t, []string{"2026-10-31/report.csv"}, names(t, dir), "no side files, no temporary files")
			}
		})
	}
}

func TestCreate_writesBesideTheFinalFile(t *testing.T) {
	s, dir := folder(t)
	w, err := s.Create(t.Context(), "inbox/sub/x.csv")
	require.NoError(t, err)
	assert.Len(t, names(t, filepath.Join(dir, "sub")), 1)
	require.NoError(t, w.Abort())
}

func TestCreate_abortLeavesNothing(t *testing.T) {
	s, dir := folder(t)
	old, err := s.Create(t.Context(), "inbox/x.csv")
	require.NoError(t, err)
	_, _ = io.WriteString(old, "old")
	require.NoError(t, old.Commit())

	w, err := s.Create(t.Context(), "inbox/x.csv")
	require.NoError(t, err)
	_, _ = io.WriteString(w, "new and half")
	require.NoError(t, w.Abort())
	require.NoError(t, w.Abort())
	require.Error(t, w.Commit())

	ctx, cancel := context.WithCancel(t.Context())
	w, err = s.Create(ctx, "inbox/x.csv")
	require.NoError(t, err)
	_, _ = io.WriteString(w, "new")
	cancel()
	require.ErrorIs(t, w.Commit(), context.Canceled, "a cancelled attempt must not commit")

	assert.Equal(t, []string{"x.csv"}, names(t, dir))
	text, err := os.ReadFile(filepath.Join(dir, "x.csv"))
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
}

func TestOpen_seeks(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gl.csv"), []byte("0123456789"), 0o600))
	r, err := s.Open(t.Context(), "inbox/gl.csv")
	require.NoError(t, err)
	defer r.Close()
	assert.EqualValues(t, 10, r.Size())
	for range 2 { // once to hash, once to send
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "0123456789", string(all))
		_, err = r.Seek(0, io.SeekStart)
		require.NoError(t, err)
	}
	_, err = r.Seek(7, io.SeekStart)
	require.NoError(t, err)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "789", string(rest))
}

func TestStat_etagChangesWithTheFile(t *testing.T) {
	s, dir := folder(t)
	path := filepath.Join(dir, "x")
	require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
	before, err := s.Stat(t.Context(), "inbox/x")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("three"), 0o600))
	after, err := s.Stat(t.Context(), "inbox/x")
	require.NoError(t, err)
	assert.NotEqual(t, before.ETag, after.ETag)
}

func TestStores_referencesCannotLeaveTheirStore(t *testing.T) {
	s, dir := folder(t)
	outside := filepath.Join(filepath.Dir(dir), "outside.txt")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for _, ref := range []string{"inbox/../outside.txt", "inbox/a/../../outside.txt", "inbox/" + outside, `inbox/..\outside.txt`,
		"inbox//outside.txt", "inbox/.", "inbox/.hidden", "inbox/x\x00", "inbox/", "inbox", "", "/inbox/x"} {
		_, err := s.Stat(t.Context(), ref)
		require.Error(t, err, ref)
		require.NotErrorIs(t, err, fs.ErrNotExist, ref)
		_, err = s.Open(t.Context(), ref)
		require.Error(t, err, ref)
		_, err = s.Create(t.Context(), ref)
		require.Error(t, err, ref)
	}
	assert.Empty(t, names(t, dir))
}

func TestStores_unknownStore(t *testing.T) {
	s, _ := folder(t)
	_, err := s.Open(t.Context(), "outbox/x")
	assert.EqualError(t, err, `there is no store "outbox"; the stores are: inbox, memory`)
	assert.ErrorContains(t, s.Check(t.Context(), "outbox"), "there is no store")
}

func TestStores_referenceError(t *testing.T) {
	s, _ := folder(t)
	for ref, want := range map[string]bool{"outbox/x": true, "inbox": true, "inbox/../x": true, "inbox/x": false} {
		_, err := s.Stat(t.Context(), ref)
		require.Error(t, err, ref)
		var wrong *ReferenceError
		assert.Equal(t, want, errors.As(err, &wrong), ref)
	}
	for _, prefix := range []string{"outbox/", "inbox", "inbox/../"} {
		for _, err := range s.List(t.Context(), prefix) {
			var wrong *ReferenceError
			assert.ErrorAs(t, err, &wrong, prefix)
		}
	}
}

func TestCheck_missingFolder(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, s.Check(t.Context(), "inbox"))
	require.NoError(t, os.Remove(dir))
	assert.Error(t, s.Check(t.Context(), "inbox"))
}

func TestOpen_folder(t *testing.T) {
	s, dir := folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	_, err := s.Open(t.Context(), "inbox/sub")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOpen_namesEveryProblem(t *testing.T) {
	_, err := Open(t.Context(), settings(map[string]string{"a": "file:///does/not/exist", "b": "ftp://host/x", "c": "mem://"}))
	require.Error(t, err)
	assert.ErrorContains(t, err, "store a: ")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, `store b: the scheme "ftp" is not supported; supported: file, mem, s3, sftp`)

	dir := filepath.Join(t.TempDir(), "made")
	s, err := Open(t.Context(), settings(map[string]string{"a": "file://" + dir + "?create_dir=true"}))
	require.NoError(t, errors.Join(err, s.Check(t.Context(), "a"), s.Close()))
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"ftp://host/x":                             `the scheme "ftp" is not supported`,
		"s3://":                                    "is not a bucket name",
		"s3://key:hunter2@bucket":                  "credentials do not belong in the URL",
		"s3://bucket/folder":                       "without a path",
		"s3://b1?anonymous=true":                   `the option "anonymous" is not supported`,
		"s3://b1?prefix=../x":                      "is not a folder",
		"s3://b1?path_style=yes":                   "path_style must be true or false",
		"s3://b1?endpoint=http://host.example.com": "must be https",
		"s3://b1?endpoint=https://h/x":             "an https URL with only a host",
		"s3://b1?region=a&region=b":                "set twice",
		"sftp://host/x":                            "use sftp://user@host/folder",
		"sftp://u:hunter2@host/x":                  "the password does not belong in the URL",
		"sftp://u@host/a/../b":                     `must not contain ".."`,
		"sftp://u@host/a?known_hosts=x":            "is not supported",
		"/data/inbox":                              `the scheme "" is not supported`,
		"file://data/inbox":                        "a folder has no host (data)",
		"file://":                                  "the folder is missing",
		"file:///":                                 "the folder is missing",
		"file:inbox":                               "the folder is missing",
		"file://u@localhost/x":                     "neither a user nor a fragment",
		"file:///x?metadata=":                      `the option "metadata" is not supported`,
		"file://u:hunter2@%zz/in":                  "not a URL",
	} {
		_, err := ParseURL(text)
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	for _, text := range []string{"file:///data", "file://localhost/data", "file://./data", "file:///d?create_dir=1", "mem://",
		"s3://bucket?region=us-ashburn-1&endpoint=https://ns.compat.objectstorage.us-ashburn-1.oraclecloud.com&prefix=night/out", "s3://Bucket_1?profile=x&path_style=false",
		"s3://b1?endpoint=http://127.0.0.1:9000", "sftp://user@host", "sftp://user@host:2222/~/outgoing", "sftp://user@[::1]:22/x"} {
		_, err := ParseURL(text)
		assert.NoError(t, err, text)
	}
}

func settings(urls map[string]string) map[string]Settings {
	all := map[string]Settings{}
	for name, url := range urls {
		all[name] = Settings{URL: url}
	}
	return all
}

// Consoles create such objects for folders. No reference leads to them.
func TestList_leavesOutPlaceholders(t *testing.T) {
	s, _ := folder(t)
	for _, key := range []string{"night/", "night/gl/", "night/gl/a.csv"} {
		require.NoError(t, s.byName["memory"].WriteAll(t.Context(), key, nil, nil))
	}
	s.byName["memory"] = opened{Bucket: blob.PrefixedBucket(s.byName["memory"].Bucket, "night/")}
	for _, prefix := range []string{"memory/", "memory/gl/"} {
		var refs []string
		for info, err := range s.List(t.Context(), prefix) {
			require.NoError(t, err)
			refs = append(refs, info.Ref)
		}
		assert.Equal(t, []string{"memory/gl/a.csv"}, refs)
	}
}

// A folder that is not mounted looks empty; what waits for its files must not take them for missing.
func TestStat_storeThatIsAway(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), settings(map[string]string{"inbox": "file://" + dir}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Stat(t.Context(), "inbox/gl.csv")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.Remove(dir))
	_, err = s.Stat(t.Context(), "inbox/gl.csv")
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "stat inbox/gl.csv: the folder or bucket of store inbox is not there")
	_, err = s.Open(t.Context(), "inbox/gl.csv")
	require.NotErrorIs(t, err, fs.ErrNotExist)
}
