package activities

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// What an earlier attempt had moved is looked at before it is told, and was not moved in that time.
func TestTheRateIsOfWhatThisAttemptMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told TransferProgress
		transfer := &transfer{beat: func(p TransferProgress) error {
			told = p
			return nil
		}}
		transfer.counted.counter, transfer.counted.resumes = client.MetricsNopHandler.Counter(""), true
		transfer.tell()
		time.Sleep(4 * time.Second)
		transfer.moved(10<<30, 20<<30)
		transfer.tell()
		require.Zero(t, told.Rate)
		time.Sleep(2 * time.Second)
		transfer.moved(10<<30+2<<20, 20<<30)
		transfer.tell()
		require.EqualValues(t, 1<<20, told.Rate)
	})
}
