package activities

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A store that hangs, as a file system does whose server is away, is told as down when the time is over, and
// keeps no other one from its word. It is asked once, and again when it has answered.
func TestAStoreThatHangsIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		hang := make(chan struct{})
		check := func(_ context.Context, name string) error {
			if name == "nfs" {
				asked.Add(1)
				<-hang
			}
			return nil
		}
		var checks storeChecks
		look := func() map[string]error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			return checks.problems(ctx, []string{"inbox", "nfs"}, check)
		}
		down := func(problems map[string]error) {
			require.Len(t, problems, 2)
			require.NoError(t, problems["inbox"])
			require.EqualError(t, problems["nfs"], "store nfs: does not answer")
		}
		down(look())
		down(look())
		require.EqualValues(t, 1, asked.Load())
		close(hang)
		synctest.Wait()
		require.Equal(t, map[string]error{"inbox": nil, "nfs": nil}, look())
		require.EqualValues(t, 2, asked.Load())
	})
}

// The stores that are asked are those of the activities.
func TestStoreFaults(t *testing.T) {
	a, _ := withInbox(t)
	require.Equal(t, map[string]error{"inbox": nil}, StoreProblems(t.Context(), a))
}
