// Package schedule tests schedules and backfills on the real server, including holidays and changes of the clocks.
package schedule

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
