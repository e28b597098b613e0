// Package commands tests how a batch or a close is started and commanded from outside: submissions whose outcome is
// unknown, the inbox, the Go API and the Nexus service.
package commands

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
