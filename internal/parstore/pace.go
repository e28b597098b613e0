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

func (c *Client) limited(ctx context.Context, r io.Reader) io.Reader {
	return limitedReader{r, c.paced(ctx)}
}

type limitedReader struct {
	r    io.Reader
	pace func(int) (int, error)
}

func (l limitedReader) Read(p []byte) (int, error) {
	n, err := l.pace(len(p))
	if err != nil {
		return 0, err
	}
	return l.r.Read(p[:n])
}
