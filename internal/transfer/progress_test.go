package transfer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An attempt takes a while to check what an earlier one moved. None of that was moved in that time.
func TestProgress_rateExcludesEarlierAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Attempt{Moved: func(int64) {}}
		a.progress.resumes = true
		a.Progress()
		time.Sleep(4 * time.Second)
		a.moved(10<<30, 20<<30)
		require.Zero(t, a.Progress().Rate)
		time.Sleep(2 * time.Second)
		a.moved(10<<30+2<<20, 20<<30)
		require.EqualValues(t, 1<<20, a.Progress().Rate)
	})
}
