// Package cli tests the starter and the worker as processes: commands, exit codes, configuration, connections to
// Temporal. The packages of the starter test their parts in one process.
package cli

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
