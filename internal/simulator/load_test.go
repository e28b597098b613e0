package simulator

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestObjectStore_streams(t *testing.T) {
	const size = 128 << 20
	h := start(t)
	url := h.announce("large.csv", size).text("payload", "uploadURL")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, method := range []string{"PUT", "GET"} {
		req, err := http.NewRequest(method, url, nil)
		require.NoError(t, err)
		if method == "PUT" {
			req.Body, req.ContentLength = io.NopCloser(io.LimitReader(zeroes{}, size)), size
		}
		resp, err := h.client.Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		n, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if method == "GET" {
			require.EqualValues(t, size, n)
		}
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size/2), "a body is never held whole; the rest is what the race detector drops from pools")
	require.True(t, h.Files()[0].Arrived)
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Many clients at once, with faults, leave a state that adds up: as many runs and files as the journal says.
func TestSimulator_underLoad(t *testing.T) {
	h := start(t, func(o *Options) { o.Seed = 7 })
	h.Inject(
		Fault{Call: "*", Probability: 0.1, Kind: FaultCloseAfter},
		Fault{Call: "*", Probability: 0.1, Kind: FaultStatus},
		Fault{Call: "*", Probability: 0.1, Kind: FaultTruncate},
	)
	var group errgroup.Group
	for worker := range 8 {
		group.Go(func() error {
			for i := range 10 {
				name := fmt.Sprintf("f%d_%d.csv", worker, i)
				if url := h.announce(name, 100).text("payload", "uploadURL"); url != "" {
					h.send("PUT", url, strings.Repeat("x", 100), nil)
				}
				id := h.scheduler("trigger", `{"batchName":"PBSM_FAIL_ONCE","batchType":"rest"}`).text("batchRunId")
				h.Advance(time.Minute)
				h.status(id)
				h.about("interrupt", "PBSM_FAIL_ONCE", id)
				h.about("restart", "PBSM_FAIL_ONCE", id)
				h.call("GET", "/utils-service/v1/listfiles", "")
				h.call("GET", "/utils-service/v1/file/download?fileName="+name, "")
				h.report("RPT_FAIL_ONCE", noFilter)
				h.Runs()
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	processed := map[string]int{}
	for _, e := range h.Journal() {
		if e.Processed {
			processed[e.Call]++
		}
	}
	require.Len(t, h.Runs(), processed["trigger"])
	require.Len(t, h.Files(), processed["upload-par"])
	arrived := 0
	for _, f := range h.Files() {
		if f.Arrived {
			arrived++
		}
	}
	require.Equal(t, processed["object-put"], arrived)
	require.Less(t, processed["trigger"], 80, "some were refused")
}
