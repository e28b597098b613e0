// Package observability tests the metrics, traces and logs of real workers, and Prometheus with the deployed rules.
package observability

import (
	"os"
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
