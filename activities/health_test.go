package activities

import (
	"context"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A file system hangs when its server is gone. Such a store is down after the timeout, without delaying the
// others. It is checked again only after its last check returned.
func TestStoreChecks_hangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		hang := make(chan struct{})
		check := func(_ context.Context, name string) error {
			if name != "inbox" {
				calls.Add(1)
				<-hang
			}
			return nil
		}
		var checks storeChecks
		run := func() map[string]error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			return checks.run(ctx, []string{"inbox", "nfs", pipelinesFolder}, check)
		}
		down := func(found map[string]error) {
			require.Len(t, found, 3)
			require.NoError(t, found["inbox"])
			require.EqualError(t, found["nfs"], "store nfs: does not respond")
			require.EqualError(t, found[pipelinesFolder], "worker.pipelines: does not respond")
		}
		down(run())
		down(run())
		require.EqualValues(t, 2, calls.Load())
		close(hang)
		synctest.Wait()
		require.Equal(t, map[string]error{"inbox": nil, "nfs": nil, pipelinesFolder: nil}, run())
		require.EqualValues(t, 4, calls.Load())
	})
}

func TestStoreErrors(t *testing.T) {
	a, _ := withInbox(t)
	require.Equal(t, map[string]error{"inbox": nil}, StoreErrors(t.Context(), a))
	a.pipelines, a.hasPipelines = t.TempDir(), true
	require.Equal(t, map[string]error{"inbox": nil, "worker.pipelines": nil}, StoreErrors(t.Context(), a))
	require.NoError(t, os.Remove(a.pipelines))
	gone := StoreErrors(t.Context(), a)["worker.pipelines"]
	require.ErrorIs(t, gone, fs.ErrNotExist)
	require.ErrorContains(t, gone, "worker.pipelines: ")
}
