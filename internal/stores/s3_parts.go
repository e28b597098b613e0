package stores

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	// maxBucketParts is the limit of a bucket for one file.
	maxBucketParts = 10_000
	// abortTimeout bounds the end of an upload, after the context may have ended.
	abortTimeout = 30 * time.Second
)

// bucketParts is a large file in a bucket: a multipart upload. The bucket lists its parts, so that any
// worker that knows the upload's id can resume it.
type bucketParts struct {
	client      *s3.Client
	ctx         context.Context
	ref         string
	bucket, key *string

	upload *string // nil before it is begun
	ended  bool
	mu     sync.Mutex
	etags  map[int32]string
}

// uploadInBucket is what State returns.
type uploadInBucket struct {
	Upload string `json:"upload"`
}

// s3Bucket is the bucket of a store, or a folder in it.
type s3Bucket struct {
	client       *s3.Client
	name, prefix string
}

func (b s3Bucket) file(ctx context.Context, to destination) *bucketParts {
	return &bucketParts{
		client: b.client,
		ctx:    ctx,
		ref:    to.ref,
		bucket: &b.name,
		key:    aws.String(b.prefix + to.path),
		etags:  map[int32]string{},
	}
}

func (b s3Bucket) parts(ctx context.Context, to destination, left []byte) (Parts, error) {
	p := b.file(ctx, to)
	var before uploadInBucket
	if json.Unmarshal(left, &before) == nil && before.Upload != "" {
		p.upload = &before.Upload
	}
	return p, nil
}

func (b s3Bucket) writer(ctx context.Context, to destination) io.WriteCloser {
	return &bucketWriter{parts: b.file(ctx, to), ctx: ctx}
}

// Resume relies on the parts that the bucket lists: it accepted each as a whole, with its checksum, and no
// one else knows the upload's id.
func (p *bucketParts) Resume(ctx context.Context, size int64, _ []byte) (unusable string, err error) {
	if p.upload == nil {
		return partsMissing, nil
	}
	pages := s3.NewListPartsPaginator(p.client, &s3.ListPartsInput{Bucket: p.bucket, Key: p.key, UploadId: p.upload})
	for number, held := int32(1), int64(0); held < size; {
		if !pages.HasMorePages() {
			return partsMissing, nil
		}
		page, err := pages.NextPage(ctx)
		if isGone(err) {
			return partsMissing, nil
		}
		if err != nil {
			return "", fileError("list the parts of", p.ref, err)
		}
		for _, part := range page.Parts {
			if held == size {
				break
			}
			held += aws.ToInt64(part.Size)
			if aws.ToInt32(part.PartNumber) != number || held > size {
				return partsMissing, nil
			}
			p.etags[number] = aws.ToString(part.ETag)
			number++
		}
	}
	return "", nil
}

func (p *bucketParts) Reset(ctx context.Context, parts int) error {
	if parts > maxBucketParts {
		return fmt.Errorf("write %s: a bucket accepts %d parts, the file has %d: save it in a folder or on an SFTP server",
			p.ref, maxBucketParts, parts)
	}
	if err := p.abort(); err != nil {
		return fileError("remove", p.ref, err)
	}
	begun, err := p.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: p.bucket, Key: p.key, ContentType: aws.String(contentType),
	})
	if err != nil {
		return fileError("write", p.ref, err)
	}
	p.upload = begun.UploadId
	return nil
}

// WritePart does not interrupt a part in transfer when ctx ends, unless it takes too long: the bucket may
// accept it after the upload was aborted, and would keep it forever.
func (p *bucketParts) WritePart(ctx context.Context, number int, _ int64, part []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, stop := outliving(ctx)
	defer stop()
	n := int32(number)
	sent, err := p.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket:        p.bucket,
		Key:           p.key,
		UploadId:      p.upload,
		PartNumber:    &n,
		Body:          bytes.NewReader(part),
		ContentLength: aws.Int64(int64(len(part))),
	})
	if err != nil {
		return fileError("write", p.ref, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.etags[n] = aws.ToString(sent.ETag)
	return nil
}

// outliving returns a context that ends abortTimeout after ctx.
func outliving(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(abortTimeout, cancel) })
	return longer, func() { stop(); cancel() }
}

func (p *bucketParts) State() []byte {
	if p.upload == nil {
		return nil
	}
	text, err := json.Marshal(uploadInBucket{*p.upload})
	if err != nil {
		panic("stores: " + err.Error()) // impossible for a text
	}
	return text
}

func (p *bucketParts) Commit() error {
	if p.ended {
		return endedBefore(p.ref)
	}
	if err := p.ctx.Err(); err != nil {
		return fileError("write", p.ref, err)
	}
	if len(p.etags) == 0 { // an upload without parts cannot be completed
		if err := p.WritePart(p.ctx, 1, 0, nil); err != nil {
			return err
		}
	}
	var parts []types.CompletedPart
	for number, etag := range maps.All(p.etags) {
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: aws.String(etag)})
	}
	slices.SortFunc(parts, func(a, b types.CompletedPart) int {
		return cmp.Compare(*a.PartNumber, *b.PartNumber)
	})
	_, err := p.client.CompleteMultipartUpload(p.ctx, &s3.CompleteMultipartUploadInput{
		Bucket:          p.bucket,
		Key:             p.key,
		UploadId:        p.upload,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	p.ended = err == nil
	return fileError("write", p.ref, err)
}

func (p *bucketParts) Abort() error {
	if p.ended {
		return nil
	}
	p.ended = true
	return fileError("remove", p.ref, p.abort())
}

// abort aborts the upload, even when the attempt's own context has ended.
func (p *bucketParts) abort() error {
	if p.upload == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), abortTimeout)
	defer cancel()
	_, err := p.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: p.bucket, Key: p.key, UploadId: p.upload,
	})
	if err != nil && !isGone(err) {
		return err
	}
	p.upload = nil
	clear(p.etags)
	return nil
}

func isGone(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == "NoSuchUpload"
}

// refusals are the error codes for a key that is unknown, or that has no permission.
var refusals = []string{"AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}

func refusedByBucket(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && slices.Contains(refusals, answer.ErrorCode())
}

func (p *bucketParts) Suspend() error {
	p.ended = true
	return nil
}

// bucketPartSize is the size of the parts of a file that is written as it comes, in bytes. It allows files
// of up to 156 GiB.
const bucketPartSize = 16 << 20

// bucketWriter writes a file as it comes: one part at a time, or in one request when it is small. The
// library's own writer interrupts parts in transfer, so that the bucket may accept them after the upload
// was aborted, and keep them forever.
type bucketWriter struct {
	parts  *bucketParts
	ctx    context.Context
	buffer bytes.Buffer
	sent   int // parts
}

func (w *bucketWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n, _ := w.buffer.Write(rest[:min(len(rest), bucketPartSize-w.buffer.Len())])
		if rest = rest[n:]; w.buffer.Len() == bucketPartSize {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (w *bucketWriter) flush() error {
	if w.sent == 0 {
		if err := w.parts.Reset(w.ctx, 0); err != nil {
			return err
		}
	}
	if err := w.parts.WritePart(w.ctx, w.sent+1, 0, w.buffer.Bytes()); err != nil {
		return err
	}
	w.sent++
	w.buffer.Reset()
	return nil
}

// Close gives the file its final name, unless its context has ended.
func (w *bucketWriter) Close() error {
	if w.ctx.Err() != nil {
		if err := w.parts.Abort(); err != nil {
			return err
		}
		return context.Cause(w.ctx)
	}
	if w.sent == 0 {
		_, err := w.parts.client.PutObject(w.ctx, &s3.PutObjectInput{
			Bucket:      w.parts.bucket,
			Key:         w.parts.key,
			Body:        bytes.NewReader(w.buffer.Bytes()),
			ContentType: aws.String(contentType),
		})
		return err
	}
	if w.buffer.Len() > 0 {
		if err := w.flush(); err != nil {
			return errors.Join(err, w.parts.Abort())
		}
	}
	if err := w.parts.Commit(); err != nil {
		return errors.Join(err, w.parts.Abort())
	}
	return nil
}
