// Package storestest checks what every kind of store must do.
package storestest

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// Run calls every method of an empty store.
func Run(t *testing.T, s *stores.Stores, store string) {
	t.Run("commit", func(t *testing.T) { commit(t, s, store+"/commit/2026-10-31/report.csv") })
	t.Run("replace and abort", func(t *testing.T) { replace(t, s, store+"/replace/x.csv") })
	t.Run("missing", func(t *testing.T) { missing(t, s, store) })
	t.Run("read", func(t *testing.T) { read(t, s, store+"/read/gl.csv") })
	t.Run("large", func(t *testing.T) { large(t, s, store+"/large/gl.csv") })
	t.Run("names", func(t *testing.T) { names(t, s, store) })
	t.Run("list", func(t *testing.T) { list(t, s, store) })
	t.Run("staged file", func(t *testing.T) { stagedFile(t, s, store+"/staging/x.csv") })
	t.Run("parts", func(t *testing.T) { parts(t, s, store+"/parts/gl.dat") })
	t.Run("odd name in parts", func(t *testing.T) { parts(t, s, store+"/odd/parts/odd../gl__0x2f__.dat") })
}

func write(t *testing.T, s *stores.Stores, ref, text string) {
	t.Helper()
	w, err := s.Create(t.Context(), ref)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Commit())
}

func content(t *testing.T, s *stores.Stores, ref string) string {
	t.Helper()
	r, err := s.Open(t.Context(), ref)
	require.NoError(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

func listed(t *testing.T, s *stores.Stores, prefix string) []string {
	t.Helper()
	var refs []string
	for info, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		if !info.Unfinished {
			refs = append(refs, info.Ref)
		}
	}
	return refs
}

func commit(t *testing.T, s *stores.Stores, ref string) {
	w, err := s.Create(t.Context(), ref)
	require.NoError(t, err)
	_, err = io.WriteString(w, "a,b\n1,2\n")
	require.NoError(t, err)
	_, err = s.Stat(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist, "before the commit")
	require.NoError(t, w.Commit())
	require.NoError(t, w.Abort(), "abort after commit changes nothing")
	require.Error(t, w.Commit())
	info, err := s.Stat(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, ref, info.Ref)
	assert.EqualValues(t, 8, info.Size)
	assert.NotEmpty(t, info.ETag)
	assert.False(t, info.ModTime.IsZero())
	assert.Equal(t, "a,b\n1,2\n", content(t, s, ref))

	write(t, s, ref, "")
	assert.Empty(t, content(t, s, ref), "a file may be empty")
}

func replace(t *testing.T, s *stores.Stores, ref string) {
	write(t, s, ref, "old")
	before, err := s.Stat(t.Context(), ref)
	require.NoError(t, err)

	w, err := s.Create(t.Context(), ref)
	require.NoError(t, err)
	_, _ = io.WriteString(w, "new and half")
	require.NoError(t, w.Abort())
	require.NoError(t, w.Abort())
	require.Error(t, w.Commit())
	assert.Equal(t, "old", content(t, s, ref))

	ctx, cancel := context.WithCancel(t.Context())
	w, err = s.Create(ctx, ref)
	require.NoError(t, err)
	_, _ = io.WriteString(w, "new")
	cancel()
	require.ErrorIs(t, w.Commit(), context.Canceled, "a cancelled attempt must not commit")
	assert.Equal(t, "old", content(t, s, ref))

	write(t, s, ref, "three")
	after, err := s.Stat(t.Context(), ref)
	require.NoError(t, err)
	assert.NotEqual(t, before.ETag, after.ETag)
	assert.Equal(t, "three", content(t, s, ref))
	assert.Equal(t, []string{ref}, listed(t, s, ref[:strings.LastIndex(ref, "/")+1]))
}

func missing(t *testing.T, s *stores.Stores, store string) {
	ref := store + "/nowhere/x.csv"
	_, err := s.Stat(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, ref)
	_, err = s.Open(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = s.Section(t.Context(), ref, 0, 1)
	require.ErrorIs(t, err, fs.ErrNotExist)
	write(t, s, store+"/folder/sub/x.csv", "x")
	_, err = s.Stat(t.Context(), store+"/folder/sub")
	require.ErrorIs(t, err, fs.ErrNotExist, "a folder is not a file")
	require.NoError(t, s.Check(t.Context(), store))
}

func read(t *testing.T, s *stores.Stores, ref string) {
	write(t, s, ref, "0123456789")
	r, err := s.Open(t.Context(), ref)
	require.NoError(t, err)
	defer r.Close()
	assert.EqualValues(t, 10, r.Size())
	for range 2 {
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

	section, err := s.Section(t.Context(), ref, 2, 3)
	require.NoError(t, err)
	part, err := io.ReadAll(section)
	require.NoError(t, err)
	require.NoError(t, section.Close())
	assert.Equal(t, "234", string(part))
}

// large is more than an object store accepts in one part.
func large(t *testing.T, s *stores.Stores, ref string) {
	const size = 40<<20 + 7
	source := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{7}), size) }
	want := sha256.New()
	_, _ = io.Copy(want, source())

	w, err := s.Create(t.Context(), ref)
	require.NoError(t, err)
	_, err = io.Copy(w, source())
	require.NoError(t, err)
	_, err = s.Stat(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist, "before the commit")
	require.NoError(t, w.Abort())
	_, err = s.Stat(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist)

	w, err = s.Create(t.Context(), ref)
	require.NoError(t, err)
	_, err = io.Copy(w, source())
	require.NoError(t, err)
	require.NoError(t, w.Commit())
	r, err := s.Open(t.Context(), ref)
	require.NoError(t, err)
	defer r.Close()
	got := sha256.New()
	n, err := io.Copy(got, r)
	require.NoError(t, err)
	assert.EqualValues(t, size, n)
	assert.Equal(t, want.Sum(nil), got.Sum(nil))
}

func names(t *testing.T, s *stores.Stores, store string) {
	for _, name := range []string{"with space.csv", "100% & +plus.csv", "größe_日本.csv", "a=b;c,d'e(f)!.csv", "q?x#y.csv"} {
		ref := store + "/names/" + name
		write(t, s, ref, name)
		assert.Equal(t, name, content(t, s, ref))
		assert.Equal(t, []string{ref}, listed(t, s, ref))
	}
	for _, ref := range []string{"/../outside.txt", "/a/../../outside.txt", "//etc/passwd", `/..\outside.txt`, "/.hidden", "/x\x00", "/", ""} {
		_, err := s.Stat(t.Context(), store+ref)
		require.Error(t, err, ref)
		require.NotErrorIs(t, err, fs.ErrNotExist, ref)
		_, err = s.Open(t.Context(), store+ref)
		require.Error(t, err, ref)
		_, err = s.Create(t.Context(), store+ref)
		require.Error(t, err, ref)
	}
}

func list(t *testing.T, s *stores.Stores, store string) {
	for _, name := range []string{"b.csv", "a/2.csv", "a/1.csv", "a.csv", "a/deep/x.csv", "c.csv"} {
		write(t, s, store+"/list/"+name, name)
	}
	w, err := s.Create(t.Context(), store+"/list/unfinished.csv")
	require.NoError(t, err)
	_, _ = io.WriteString(w, "half")
	defer func() { require.NoError(t, w.Abort()) }()

	refs := func(names ...string) []string {
		for i := range names {
			names[i] = store + "/list/" + names[i]
		}
		return names
	}
	assert.ElementsMatch(t, refs("a.csv", "a/1.csv", "a/2.csv", "a/deep/x.csv", "b.csv", "c.csv"), listed(t, s, store+"/list/"))
	assert.ElementsMatch(t, refs("a/1.csv", "a/2.csv", "a/deep/x.csv"), listed(t, s, store+"/list/a/"))
	assert.ElementsMatch(t, refs("a/deep/x.csv"), listed(t, s, store+"/list/a/d"))
	assert.ElementsMatch(t, refs("a.csv", "a/1.csv", "a/2.csv", "a/deep/x.csv"), listed(t, s, store+"/list/a"))
	assert.Empty(t, listed(t, s, store+"/list/none/"))
	for info, err := range s.List(t.Context(), store+"/list/b") {
		require.NoError(t, err)
		assert.EqualValues(t, 5, info.Size)
		assert.False(t, info.ModTime.IsZero())
	}
	for _, prefix := range []string{store, "", store + "/../", store + "/list/../", "unknown/"} {
		for _, err := range s.List(t.Context(), prefix) {
			require.Error(t, err, prefix)
		}
	}
}

func stagedFile(t *testing.T, s *stores.Stores, ref string) {
	held := func(d stores.StagedFile) string {
		left, size := d.Existing()
		text, err := io.ReadAll(left)
		require.NoError(t, err)
		require.EqualValues(t, len(text), size)
		return string(text)
	}
	begin := func(key, want string) stores.StagedFile {
		d, err := s.Stage(t.Context(), ref, key)
		require.NoError(t, err)
		require.Equal(t, want, held(d))
		return d
	}
	write := func(d stores.StagedFile, text string) {
		_, err := io.WriteString(d, text)
		require.NoError(t, err)
	}
	d := begin("key", "")
	write(d, "who")
	write(d, "ops")
	require.NoError(t, d.Suspend())
	require.NoError(t, d.Abort(), "what was suspended stays")
	_, err := s.Stat(t.Context(), ref)
	require.ErrorIs(t, err, fs.ErrNotExist)

	other := begin("other", "")
	write(other, "dropped")
	require.NoError(t, other.Abort())
	require.NoError(t, begin("other", "").Abort())

	d = begin("key", "whoops")
	require.NoError(t, d.Truncate(3))
	write(d, "le")
	require.NoError(t, d.Commit())
	require.Error(t, d.Commit())
	require.NoError(t, d.Suspend())
	assert.Equal(t, "whole", content(t, s, ref))
	require.NoError(t, begin("key", "").Abort())
	assert.Equal(t, []string{ref}, listed(t, s, ref[:strings.LastIndex(ref, "/")+1]))
}

// PartSize is the minimum of S3.
const PartSize = 5 << 20

// file is a file of four parts, the last of which is small.
type file struct {
	content  []byte
	partSize int
}

func newFile(partSize int) file {
	content := make([]byte, 3*partSize+7)
	_, _ = rand.NewChaCha8([32]byte{8}).Read(content)
	return file{content, partSize}
}

// write writes some of the parts, the last one first, all at once.
func (f file) write(t *testing.T, p stores.Parts, first, last int) {
	t.Helper()
	var group errgroup.Group
	for number := last; number >= first; number-- {
		group.Go(func() error {
			offset := (number - 1) * f.partSize
			return p.WritePart(t.Context(), number, int64(offset), f.content[offset:min(offset+f.partSize, len(f.content))])
		})
	}
	require.NoError(t, group.Wait())
}

func begin(t *testing.T, s *stores.Stores, ref, key string, state []byte) stores.Parts {
	t.Helper()
	p, err := s.Parts(t.Context(), ref, key, state)
	require.NoError(t, err)
	return p
}

func parts(t *testing.T, s *stores.Stores, ref string) {
	whole := newFile(PartSize)
	write(t, s, ref, "old")
	p := begin(t, s, ref, "key", nil)
	require.NoError(t, p.Reset(t.Context(), 4))
	whole.write(t, p, 1, 3)
	require.NoError(t, p.Abort())
	require.NoError(t, p.Abort())
	require.Error(t, p.Commit())
	assert.Equal(t, "old", content(t, s, ref))

	p = begin(t, s, ref, "key", nil)
	unusable, err := p.Resume(t.Context(), PartSize, nil)
	require.NoError(t, err)
	require.NotEmpty(t, unusable, "what was aborted is gone")
	require.NoError(t, p.Reset(t.Context(), 4))
	whole.write(t, p, 1, 4)
	assert.Equal(t, "old", content(t, s, ref), "before the commit")
	require.NoError(t, p.Commit())
	require.NoError(t, p.Abort())
	require.Error(t, p.Commit())
	require.True(t, string(whole.content) == content(t, s, ref))

	p = begin(t, s, ref, "key", nil)
	require.NoError(t, p.Reset(t.Context(), 0))
	require.NoError(t, p.Commit())
	assert.Empty(t, content(t, s, ref), "a file may be empty")
	assert.Equal(t, []string{ref}, listed(t, s, ref[:strings.LastIndex(ref, "/parts/")+len("/parts/")]), "nothing else remains")

	ctx, cancel := context.WithCancel(t.Context())
	p, err = s.Parts(ctx, ref, "key", nil)
	require.NoError(t, err)
	require.NoError(t, p.Reset(ctx, 1))
	require.NoError(t, p.WritePart(ctx, 1, 0, []byte("new")))
	cancel()
	require.ErrorIs(t, p.Commit(), context.Canceled, "a cancelled attempt must not commit")
	require.NoError(t, p.Abort())
	assert.Empty(t, content(t, s, ref))
}

// Resume is for stores in which a large file can be suspended. reopen opens them as another worker does;
// damage changes what the first one wrote, nil when that is impossible.
func Resume(t *testing.T, reopen func() *stores.Stores, store string, partSize int, damage func()) {
	whole, kept := newFile(partSize), int64(2*partSize)
	sum := sha256.Sum256(whole.content[:kept])
	ref := store + "/resume/gl.dat"
	suspend := func(t *testing.T) []byte {
		t.Helper()
		p := begin(t, reopen(), ref, "key", nil)
		require.NoError(t, p.Reset(t.Context(), 4))
		whole.write(t, p, 1, 2)
		require.NoError(t, p.Suspend())
		require.NoError(t, p.Abort(), "after an end it is harmless")
		return p.State()
	}
	t.Run("on another worker", func(t *testing.T) {
		state, s := suspend(t), reopen()
		p := begin(t, s, ref, "key", state)
		unusable, err := p.Resume(t.Context(), kept, sum[:])
		require.NoError(t, err)
		require.Empty(t, unusable)
		whole.write(t, p, 3, 4)
		require.NoError(t, p.Commit())
		require.True(t, string(whole.content) == content(t, s, ref))
	})
	for name, size := range map[string]int64{"more than there is": kept + int64(partSize), "not at the end of a part": kept + 1} {
		t.Run(name, func(t *testing.T) {
			state, s := suspend(t), reopen()
			p := begin(t, s, ref, "key", state)
			unusable, err := p.Resume(t.Context(), size, sum[:])
			require.NoError(t, err)
			require.NotEmpty(t, unusable)
			require.NoError(t, p.Reset(t.Context(), 4))
			whole.write(t, p, 1, 4)
			require.NoError(t, p.Commit())
			require.True(t, string(whole.content) == content(t, s, ref))
		})
	}
	t.Run("aborted by another worker", func(t *testing.T) {
		state, s := suspend(t), reopen()
		require.NoError(t, begin(t, s, ref, "key", state).Abort())
		p := begin(t, s, ref, "key", state)
		unusable, err := p.Resume(t.Context(), kept, sum[:])
		require.NoError(t, err)
		require.NotEmpty(t, unusable)
		require.NoError(t, p.Abort())
	})
	if damage == nil {
		return
	}
	t.Run("damaged", func(t *testing.T) {
		state, s := suspend(t), reopen()
		damage()
		p := begin(t, s, ref, "key", state)
		unusable, err := p.Resume(t.Context(), kept, sum[:])
		require.NoError(t, err)
		require.Contains(t, unusable, "damaged")
		require.NoError(t, p.Abort())
	})
	t.Run("another key, another staging file", func(t *testing.T) {
		state, s := suspend(t), reopen()
		p := begin(t, s, ref, "another", state)
		unusable, err := p.Resume(t.Context(), kept, sum[:])
		require.NoError(t, err)
		require.NotEmpty(t, unusable)
		require.NoError(t, p.Abort())
		require.NoError(t, begin(t, s, ref, "key", state).Abort())
	})
}
