package inbox

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
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
