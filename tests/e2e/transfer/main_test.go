// Package transfer tests transfers through the real worker: kills, cancellation, verification and the audit file.
package transfer

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
