package parstore

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// limiter paces all transfers of a client together. Its burst is what one read
// may take: a fraction of a second's worth.
func limiter(bandwidth int64) *rate.Limiter {
	if bandwidth <= 0 {
		return nil
	}
	burst := min(max(bandwidth/8, 4<<10), bufferSize)
	return rate.NewLimiter(rate.Limit(bandwidth), int(burst))
}

// paced waits until bytes may move, and says how many.
func (c *Client) paced(ctx context.Context) func(want int) (int, error) {
	if c.pace == nil {
		return func(want int) (int, error) { return want, nil }
	}
	return func(want int) (int, error) {
		want = min(want, c.pace.Burst())
		return want, c.pace.WaitN(ctx, want)
	}
}

// limited paces what comes in by what did come: a connection gives less at once
// than it is asked for.
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
