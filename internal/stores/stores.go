// Package stores reads and writes files in named folders, buckets and SFTP servers. A file is named by a
// reference, "store/path/in/store", which cannot leave its store (see pipeline.ParseRef).
package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// Stores are the opened stores of a configuration, safe for concurrent use.
type Stores struct{ byName map[string]opened }

// Info describes a file.
type Info struct {
	Ref     string
	Size    int64 // bytes
	ModTime time.Time
	ETag    string // changes when the file changes; the form is the store's own
	MD5     []byte // nil when the store does not know it

	// Of a list, by the names of the file and of the folders in the one that is listed: another program is still
	// writing it; a desktop or a file system left it, and nobody means it.
	Unfinished, Ignored bool
}

// Reader reads one file from any position.
type Reader interface {
	io.ReadSeekCloser
	Size() int64
}

// ReferenceError is returned for a reference that leads to no store of this configuration.
type ReferenceError struct{ Message string }

func (e *ReferenceError) Error() string { return e.Message }

// Open opens every store, by name. It does not contact servers; see [Stores.Check]. The error names every
// store that cannot be opened.
func Open(ctx context.Context, settings map[string]Settings) (*Stores, error) {
	s := &Stores{map[string]opened{}}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := s.open(ctx, name, settings[name]); err != nil {
			problems = append(problems, fmt.Errorf("store %s: %w", name, err))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(append(problems, s.Close())...)
	}
	return s, nil
}

func (s *Stores) open(ctx context.Context, name string, settings Settings) error {
	u, err := ParseURL(settings.URL)
	if err != nil {
		return err
	}
	store, err := kinds[u.Scheme].open(ctx, u, settings)
	if err != nil {
		return err
	}
	store.unfinished, store.ignored = settings.Unfinished, settings.Ignored
	s.byName[name] = store
	return nil
}

// Close closes the stores. Files that are open become unusable.
func (s *Stores) Close() error {
	var problems []error
	for _, bucket := range s.byName {
		problems = append(problems, bucket.Close())
	}
	return errors.Join(problems...)
}

// Names returns the names of the stores, in order.
func (s *Stores) Names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// Known returns an error when there is no store of this name.
func (s *Stores) Known(name string) error {
	if _, ok := s.byName[name]; !ok {
		return s.unknown(name)
	}
	return nil
}

// Check returns an error when the store cannot be reached.
func (s *Stores) Check(ctx context.Context, name string) error {
	if err := s.Known(name); err != nil {
		return err
	}
	store := s.byName[name]
	reachable, err := store.IsAccessible(ctx)
	var folder os.FileInfo
	// For the library a folder that is gone is an empty one.
	if err == nil && (!reachable || store.folder != "" && !store.As(&folder)) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

// Stat describes a file. The error of a missing file is [fs.ErrNotExist].
func (s *Stores) Stat(ctx context.Context, ref string) (Info, error) {
	bucket, path, err := s.find(ref)
	if err != nil {
		return Info{}, err
	}
	a, err := bucket.Attributes(ctx, path)
	if err != nil {
		return Info{}, s.readError(ctx, "stat", ref, err)
	}
	return Info{Ref: ref, Size: a.Size, ModTime: a.ModTime, ETag: a.ETag, MD5: a.MD5}, nil
}

// List returns the files whose references begin with prefix, "store/" or "store/folder/start", in no
// order. Those that are not committed are [Info.Unfinished]. It ends with the first error.
func (s *Stores) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		name, start, ok := strings.Cut(prefix, "/")
		store, known := s.byName[name]
		_, _, err := pipeline.ParseRef(strings.TrimSuffix(prefix, "/"))
		switch {
		case !ok || start != "" && err != nil:
			yield(Info{}, &ReferenceError{fmt.Sprintf("%q is not the beginning of a reference; use STORE/FOLDER/", prefix)})
			return
		case !known:
			yield(Info{}, s.unknown(name))
			return
		}
		if err := store.readable(start); err != nil {
			yield(Info{}, fileError("list", prefix, err))
			return
		}
		files := store.List(&blob.ListOptions{Prefix: start})
		for {
			file, err := files.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Info{}, fileError("list", prefix, err))
				return
			}
			if file.IsDir || placeholder(file.Key) {
				continue
			}
			info := Info{Ref: name + "/" + file.Key, Size: file.Size, ModTime: file.ModTime, MD5: file.MD5}
			info.Unfinished, info.Ignored = store.judge(file.Key[strings.LastIndex(start, "/")+1:])
			if !yield(info, nil) {
				return
			}
		}
	}
}

// readable checks the folder in which a list begins: for the library an unreadable one is empty.
func (o opened) readable(start string) error {
	if o.folder == "" || escaped(start) {
		return nil
	}
	_, err := os.ReadDir(filepath.Join(o.folder, filepath.FromSlash(start[:strings.LastIndex(start, "/")+1])))
	// A folder that does not exist has no files, but the store must exist.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		_, err = os.ReadDir(o.folder)
	}
	return err
}

// placeholder reports whether an object represents a folder. Consoles create such objects.
func placeholder(key string) bool { return key == "" || strings.HasSuffix(key, "/") }

// escaped reports whether the library keeps a file of a folder under another path than its own.
func escaped(path string) bool {
	return strings.Contains(path, "../") || strings.Contains(path, "__0x")
}

// Open opens a file for reading. The error of a missing file is [fs.ErrNotExist], that of a file which the
// worker may not read [fs.ErrPermission]. ctx must stay alive while the file is read.
func (s *Stores) Open(ctx context.Context, ref string) (Reader, error) {
	bucket, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	reader, err := bucket.NewReader(ctx, path, nil)
	if err != nil {
		return nil, s.readError(ctx, "read", ref, err)
	}
	return reader, nil
}

// contentType is the same for every file: readers know what it holds.
const contentType = "application/octet-stream"

// Create begins a file. It has its final name only after [Writer.Commit], which replaces an older file of
// that name at once. Commit fails when ctx has ended.
func (s *Stores) Create(ctx context.Context, ref string) (*Writer, error) {
	bucket, path, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	return create(ctx, bucket, ref, path)
}

func create(ctx context.Context, bucket opened, ref, path string) (_ *Writer, err error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{ref: ref, cancel: cancel}
	if bucket.writer != nil && !escaped(path) {
		w.blob = bucket.writer(ctx, destination{ref: ref, path: path})
		return w, nil
	}
	w.blob, err = bucket.NewWriter(ctx, path, &blob.WriterOptions{
		ContentType: contentType,
		BeforeWrite: func(as func(any) bool) error {
			as(&w.local)
			return nil
		},
	})
	if err != nil {
		cancel()
		return nil, fileError("write", ref, err)
	}
	return w, nil
}

// Writer writes one file. It ends with Commit or Abort; Abort after either is harmless, so that it can be
// deferred.
type Writer struct {
	ref    string
	cancel context.CancelFunc
	blob   io.WriteCloser
	local  *os.File // nil unless the store is a folder
	ended  bool
}

func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.blob.Write(p)
	return n, fileError("write", w.ref, err)
}

// Commit gives the file its final name. In a folder the file is on the disk by then.
func (w *Writer) Commit() error {
	if w.ended {
		return endedBefore(w.ref)
	}
	if w.local != nil {
		if err := w.local.Sync(); err != nil {
			return errors.Join(fileError("write", w.ref, err), w.Abort())
		}
	}
	w.ended = true
	defer w.cancel()
	return fileError("write", w.ref, w.blob.Close())
}

// Abort removes what was written.
func (w *Writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	w.cancel()
	err := w.blob.Close()
	if err != nil && gcerrors.Code(err) != gcerrors.Canceled && !errors.Is(err, context.Canceled) {
		return fileError("remove", w.ref, err)
	}
	return nil
}

func (s *Stores) find(ref string) (opened, string, error) {
	name, path, err := pipeline.ParseRef(ref)
	if err != nil {
		return opened{}, "", &ReferenceError{fmt.Sprintf("file: %v", err)}
	}
	store, ok := s.byName[name]
	if !ok {
		return opened{}, "", s.unknown(name)
	}
	return store, path, nil
}

func (s *Stores) unknown(name string) error {
	return &ReferenceError{fmt.Sprintf("there is no store %q; the stores are: %s", name, strings.Join(s.Names(), ", "))}
}

// readError is [fileError] for a file that is to be read. A file is missing only in a store that is there: of a folder
// that is not mounted, nobody knows what it holds.
func (s *Stores) readError(ctx context.Context, doing, ref string, err error) error {
	err = fileError(doing, ref, err)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name, _, _ := strings.Cut(ref, "/")
	switch away := s.Check(ctx, name); {
	case away == nil:
		return err
	case errors.Is(away, fs.ErrNotExist):
		return fmt.Errorf("%s %s: the folder or bucket of store %s is not there", doing, ref, name)
	default:
		return fmt.Errorf("%s %s: %w", doing, ref, away)
	}
}

// fileError adds the file to an error. The errors of all stores about a missing file, or missing permission,
// become those of io/fs. Without an error there is none.
func fileError(doing, ref string, err error) error {
	switch code := gcerrors.Code(err); {
	case err == nil:
		return nil
	case code == gcerrors.NotFound:
		return fmt.Errorf("%s %s: %w", doing, ref, fs.ErrNotExist)
	case (code == gcerrors.PermissionDenied || refusedByBucket(err)) && !errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: %w: %w", doing, ref, fs.ErrPermission, err)
	}
	return fmt.Errorf("%s %s: %w", doing, ref, err)
}
