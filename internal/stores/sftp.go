package stores

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// sftpBucket is the library's driver for a folder of an SFTP server.
type sftpBucket struct {
	root string
	dial func(ctx context.Context) (*session, error)

	mu      sync.Mutex
	current *session
}

// openSFTP does not contact the server: one that is down now may be up when it is needed.
func openSFTP(_ context.Context, u *url.URL, s Settings) (opened, error) {
	if err := checkSFTPLogin(s).Err(); err != nil {
		return opened{}, err
	}
	d, err := newDialer(u, s)
	if err != nil {
		return opened{}, err
	}
	root := path.Clean("/" + u.Path)
	if rest, ok := strings.CutPrefix(root+"/", "/~/"); ok { // relative paths begin in the user's own folder
		root = path.Clean("./" + rest)
	}
	b := &sftpBucket{root: root, dial: d.dial}
	return opened{Bucket: blob.NewBucket(b), parts: b.parts}, nil
}

// session returns the connection, and reconnects when it was lost.
func (b *sftpBucket) session(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil && !b.current.isLost() {
		return b.current, nil
	}
	s, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	b.current = s
	return s, nil
}

func (b *sftpBucket) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil || b.current.isLost() {
		return nil
	}
	return b.current.close()
}

func (b *sftpBucket) fullPath(key string) string { return path.Join(b.root, key) }

func (b *sftpBucket) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gcerrors.NotFound
	case errors.Is(err, fs.ErrPermission):
		return gcerrors.PermissionDenied
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, errNotForFiles):
		return gcerrors.Unimplemented
	}
	return gcerrors.Unknown
}

var errNotForFiles = errors.New("not supported by an SFTP server")

func (b *sftpBucket) As(any) bool             { return false }
func (b *sftpBucket) ErrorAs(error, any) bool { return false }
func (b *sftpBucket) Copy(_ context.Context, _, _ string, _ *driver.CopyOptions) error {
	return errNotForFiles
}
func (b *sftpBucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errNotForFiles
}

func (b *sftpBucket) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) (err error) {
	s, err := b.session(ctx)
	if err != nil {
		return err
	}
	defer s.watch(&err)()
	if !s.replacesAtOnce() {
		if err := s.removeAny(aside(b.fullPath(key))); err != nil { // otherwise it would be restored
			return err
		}
	}
	return s.ifMissing(b.fullPath(key), s.Remove(b.fullPath(key)))
}

func (b *sftpBucket) Attributes(ctx context.Context, key string) (_ *driver.Attributes, err error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.watch(&err)()
	info, err := regular(findFile(s, b.fullPath(key), s.Stat))
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{
		ModTime: info.ModTime(), Size: info.Size(),
		ETag:   fmt.Sprintf("\"%x-%x\"", info.ModTime().UnixNano(), info.Size()),
		AsFunc: func(any) bool { return false },
	}, nil
}

// regular treats everything but a regular file as missing.
func regular(info os.FileInfo, err error) (os.FileInfo, error) {
	if err == nil && !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	return info, err
}

// sftpBuffer is read or written at once. The packets of SFTP are small; those of one buffer are in transfer
// together.
const sftpBuffer = 1 << 20

func (b *sftpBucket) NewRangeReader(
	ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions,
) (_ driver.Reader, err error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.watch(&err)()
	file, err := findFile(s, b.fullPath(key), s.Open)
	if err != nil {
		return nil, err
	}
	info, err := regular(file.Stat())
	if err == nil {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	var source io.Reader = file
	if length >= 0 {
		source = io.LimitReader(file, length)
	}
	return &sftpReader{ctx, s, file, bufio.NewReaderSize(source, sftpBuffer), info}, nil
}

type sftpReader struct {
	ctx     context.Context
	session *session
	file    *sftp.File
	*bufio.Reader
	info os.FileInfo
}

func (r *sftpReader) Read(p []byte) (n int, err error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	defer r.session.watch(&err)()
	return r.Reader.Read(p[:min(len(p), sftpBuffer)])
}

func (r *sftpReader) Close() (err error) {
	defer r.session.watch(&err)()
	return r.file.Close()
}

func (r *sftpReader) As(any) bool { return false }
func (r *sftpReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ModTime: r.info.ModTime(), Size: r.info.Size()}
}

// NewTypedWriter writes to a staging file beside the final one.
func (b *sftpBucket) NewTypedWriter(
	ctx context.Context, key, _ string, _ *driver.WriterOptions,
) (_ driver.Writer, err error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.watch(&err)()
	final := b.fullPath(key)
	if err := s.MkdirAll(path.Dir(final)); err != nil {
		return nil, err
	}
	staging := path.Join(path.Dir(final), "."+path.Base(final)+"."+rand.Text()[:12]+".part")
	file, err := s.OpenFile(staging, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	return &sftpWriter{ctx, sftpStaging{s, file, staging, final}, bufio.NewWriterSize(file, sftpBuffer)}, nil
}

type sftpWriter struct {
	ctx context.Context
	sftpStaging
	buffer *bufio.Writer
}

func (w *sftpWriter) Write(p []byte) (written int, err error) {
	for err == nil && written < len(p) {
		if err = w.ctx.Err(); err == nil {
			var n int
			n, err = w.write(p[written:min(written+sftpAtOnce, len(p))])
			written += n
		}
	}
	return written, err
}

func (w *sftpWriter) write(some []byte) (_ int, err error) {
	defer w.session.watch(&err)()
	return w.buffer.Write(some)
}

// Close gives the file its final name, unless its context has ended.
func (w *sftpWriter) Close() (err error) {
	defer w.session.watch(&err)()
	err = w.ctx.Err()
	if err == nil {
		err = w.buffer.Flush()
	}
	if err == nil {
		err = w.commit(w.ctx)
	} else {
		err = errors.Join(err, w.file.Close())
	}
	if err != nil {
		return errors.Join(err, w.session.removeAny(w.staging))
	}
	return nil
}

// sftpStaging is a staging file on an SFTP server.
type sftpStaging struct {
	session        *session
	file           *sftp.File
	staging, final string
}

// commit gives the file its final name, unless the context has ended.
func (d *sftpStaging) commit(ctx context.Context) error {
	err := errors.Join(d.sync(), d.file.Close())
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = d.session.replace(d.staging, d.final)
	}
	return err
}

func (d *sftpStaging) sync() error {
	if _, ok := d.session.HasExtension("fsync@openssh.com"); !ok {
		return nil
	}
	return d.file.Sync()
}

func (b *sftpBucket) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if opts.Delimiter != "" {
		return nil, errNotForFiles
	}
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	l := &lister{session: s, bucket: b, prefix: opts.Prefix, after: string(opts.PageToken), most: opts.PageSize}
	folder := opts.Prefix[:strings.LastIndex(opts.Prefix, "/")+1]
	err = l.folder(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) && folder != "" { // a folder that does not exist has no files, if the store is there
		if _, away := s.Stat(b.root); away == nil {
			err = nil
		}
	}
	if err != nil && !errors.Is(err, errPageFull) {
		return nil, err
	}
	page := &driver.ListPage{Objects: l.found}
	if errors.Is(err, errPageFull) {
		page.NextPageToken = []byte(l.found[len(l.found)-1].Key)
	}
	return page, nil
}

var errPageFull = errors.New("the page is full")

// lister collects the files after a key, in the order of their keys.
type lister struct {
	session       *session
	bucket        *sftpBucket
	prefix, after string
	most          int // 0: all
	found         []*driver.ListObject
}

func (l *lister) folder(ctx context.Context, folder string) error {
	entries, err := l.session.ReadDirContext(ctx, l.bucket.fullPath(folder))
	if err != nil {
		return err
	}
	name := func(e os.FileInfo) string {
		if e.IsDir() {
			return e.Name() + "/" // so that a folder sorts like the files in it
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b os.FileInfo) int { return strings.Compare(name(a), name(b)) })
	for _, entry := range entries {
		if err := l.entry(ctx, folder+name(entry), entry); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(ctx context.Context, key string, entry os.FileInfo) error {
	if !strings.HasPrefix(key, l.prefix) && !(entry.IsDir() && strings.HasPrefix(l.prefix, key)) {
		return nil
	}
	if entry.IsDir() {
		if key <= l.after && !strings.HasPrefix(l.after, key) {
			return nil
		}
		err := l.folder(ctx, key)
		// It may not be readable for this user, such as lost+found, or be gone by now.
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if key <= l.after {
		return nil
	}
	if entry.Mode()&fs.ModeSymlink != 0 {
		target, err := regular(l.session.Stat(l.bucket.fullPath(key)))
		if err != nil {
			return nil //nolint:nilerr // a link to a folder, or to nothing
		}
		entry = target
	}
	if !entry.Mode().IsRegular() {
		return nil
	}
	if l.most > 0 && len(l.found) == l.most {
		return errPageFull
	}
	l.found = append(l.found, &driver.ListObject{
		Key:     key,
		ModTime: entry.ModTime(),
		Size:    entry.Size(),
		AsFunc:  func(any) bool { return false },
	})
	return nil
}
