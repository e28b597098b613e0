package stores

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sync/atomic"
)

// sftpParts is a large file on an SFTP server: a staging file beside the final one, whose name is derived
// from its key, so that any worker can resume it.
//
// SFTP has no locks. An attempt that has not noticed yet that it has ended may continue to write, but it
// writes the same bytes at the same offsets, or to a file that Reset has unlinked. So nothing may remove
// what another attempt relies on: only the commit truncates the file.
type sftpParts struct {
	sftpStaging
	ctx   context.Context
	ref   string
	size  atomic.Int64 // end of the last part that is known
	ended bool
}

func (b *sftpBucket) parts(ctx context.Context, to destination, _ []byte) (_ Parts, err error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, fileError("write", to.ref, err)
	}
	defer s.watch(&err)()
	final := b.fullPath(to.path)
	if err := s.MkdirAll(path.Dir(final)); err != nil {
		return nil, fileError("write", to.ref, err)
	}
	staging := path.Join(path.Dir(final), stagingName(path.Base(final), to.key))
	p := &sftpParts{sftpStaging: sftpStaging{s, nil, staging, final}, ctx: ctx, ref: to.ref}
	return p, fileError("write", p.ref, p.open(0))
}

func (p *sftpParts) open(more int) (err error) {
	p.file, err = p.session.OpenFile(p.staging, os.O_RDWR|os.O_CREATE|more)
	return err
}

// Resume reads back what the server has: it may have lost what was not yet on its disk.
func (p *sftpParts) Resume(_ context.Context, size int64, sum []byte) (unusable string, err error) {
	unusable, err = verifyExisting(watchedFile{p}, size, sum)
	p.size.Store(size)
	return unusable, fileError("write", p.ref, err)
}

// watchedFile watches each read, so that a server that hangs is noticed.
type watchedFile struct{ *sftpParts }

func (w watchedFile) Read(p []byte) (n int, err error) {
	defer w.session.watch(&err)()
	return w.file.Read(p)
}

func (p *sftpParts) Reset(context.Context, int) (err error) {
	defer p.session.watch(&err)()
	p.size.Store(0)
	err = errors.Join(p.file.Close(), p.session.Remove(p.staging))
	if err == nil {
		err = p.open(os.O_EXCL)
	}
	return fileError("write", p.ref, err)
}

func (p *sftpParts) WritePart(ctx context.Context, _ int, offset int64, part []byte) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for at := 0; at < len(part); at += sftpAtOnce {
		if err := p.writeAt(offset+int64(at), part[at:min(at+sftpAtOnce, len(part))]); err != nil {
			return fileError("write", p.ref, err)
		}
	}
	p.reaches(offset + int64(len(part)))
	return nil
}

func (p *sftpParts) writeAt(offset int64, some []byte) (err error) {
	defer p.session.watch(&err)()
	_, err = p.file.WriteAt(some, offset)
	return err
}

func (p *sftpParts) reaches(end int64) {
	size := p.size.Load()
	for size < end && !p.size.CompareAndSwap(size, end) {
		size = p.size.Load()
	}
}

// checkSize truncates the staging file to the file's size. A shorter one is not this attempt's any more:
// another one has started over under its name, or the server has lost bytes.
func (p *sftpParts) checkSize() error {
	size := p.size.Load()
	info, err := p.file.Stat()
	if err == nil && info.Size() > size {
		err = p.file.Truncate(size)
	}
	if err != nil {
		return err
	}
	info, err = p.session.Lstat(p.staging)
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%d bytes were written, the server has %d", size, info.Size())
	}
	return err
}

func (*sftpParts) State() []byte { return nil }

func (p *sftpParts) Commit() (err error) {
	defer p.session.watch(&err)()
	if p.ended {
		return endedBefore(p.ref)
	}
	err = p.ctx.Err()
	if err == nil {
		err = p.checkSize()
	}
	if err == nil {
		err = p.commit(p.ctx)
	}
	p.ended = err == nil
	return fileError("write", p.ref, err)
}

func (p *sftpParts) Abort() (err error) {
	if p.ended {
		return nil
	}
	p.ended = true
	defer p.session.watch(&err)()
	return fileError("remove", p.ref, errors.Join(p.session.removeAny(p.staging), p.close()))
}

func (p *sftpParts) Suspend() (err error) {
	if p.ended {
		return nil
	}
	defer p.session.watch(&err)()
	p.ended = true
	return fileError("write", p.ref, p.close())
}

// close is harmless after a Commit that failed.
func (p *sftpParts) close() error {
	if err := p.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
