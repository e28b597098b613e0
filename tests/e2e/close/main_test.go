// Package close tests closes and batches on the real server: faults in every call, kills of workers and of the server,
// upgrades, task queues. The tests of the package workflows cover each decision with mocked activities in Temporal's
// test environment, and the replay covers what histories need; here the real programs show that the parts fit together.
package close

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
