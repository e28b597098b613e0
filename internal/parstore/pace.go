package parstore

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// limiter limits all transfers of a client together. Its burst is what one read may take: the bytes of a
// fraction of a second.
func limiter(bandwidth int64) *rate.Limiter {
	if bandwidth <= 0 {
		return nil
	}
	burst := min(max(bandwidth/8, 4<<10), bufferSize)
	return rate.NewLimiter(rate.Limit(bandwidth), int(burst))
}

// paced returns a function that waits until bytes may move and returns how many.
func (c *Client) paced(ctx context.Context) func(want int) (int, error) {
	if c.pace == nil {
		return func(want int) (int, error) { return want, nil }
	}
	return func(want int) (int, error) {
		want = min(want, c.pace.Burst())
		return want, c.pace.WaitN(ctx, want)
	}
}

// limited waits after each read for the bytes that it returned, which are fewer than it could have.
func (c *Client) limited(ctx context.Context, r io.Reader) io.Reader {
	if c.pace == nil {
		return struct{ io.Reader }{r}
	}
	return limitedReader{ctx, r, c.pace}
}

type limitedReader struct {
	ctx  context.Context
	r    io.Reader
	pace *rate.Limiter
}

func (l limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), l.pace.Burst())])
	if n > 0 {
		if wait := l.pace.WaitN(l.ctx, n); err == nil {
			err = wait
		}
	}
	return n, err
}
