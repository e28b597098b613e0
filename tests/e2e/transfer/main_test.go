// Package transfer tests transfers through the real worker: kills, cancellation, verification and the audit file.
package transfer

import (
	"os"
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
