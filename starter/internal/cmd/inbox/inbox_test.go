package inbox

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// session has a simulated Temporal, and keeps its output.
func session(temporal sdk.Client) (s *client.Session, stdout, stderr *bytes.Buffer) {
	f, stdout, stderr := clitest.Recorder()
	return &client.Session{Factory: f, Temporal: temporal}, stdout, stderr
}

// That nothing waits for a mistyped connection is not good news.
func TestInbox_ofAnUnknownConnection(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.RunBatchType, "pbsm")
	temporal.Polled = map[string]time.Time{"pbsm": time.Now(), "pbsm/prod": time.Now()}
	for connection, noted := range map[string]bool{"": false, "prod": false, "prd": true} {
		s, stdout, stderr := session(temporal)
		require.NoError(t, run(t.Context(), s, connection))
		assert.Equal(t, "Nothing waits for an operator.\n", stdout.String())
		assert.Equal(t, noted, strings.Contains(stderr.String(), `no worker has the connection "prd"`), connection)
	}
}

// A close that nobody answers for can still be distinguished, and in words.
func TestUnanswered(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	temporal.Info.StartTime = timestamppb.New(time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC))
	s := &client.Session{Factory: clitest.Factory(0), Temporal: temporal}
	entries := view.Inbox([]view.Snapshot{unanswered(t.Context(), s, "close/prod/nightly/2026-10-31", context.DeadlineExceeded)})
	require.Len(t, entries, 1)
	assert.Equal(t, "prod", entries[0].Connection)
	assert.Equal(t, "2026-10-31", entries[0].AsOfDate)
	assert.True(t, entries[0].Since.Equal(temporal.Info.StartTime.AsTime()))
	assert.Contains(t, entries[0].Why, "no worker answers")
	assert.NotContains(t, entries[0].Why, "deadline exceeded")
}
