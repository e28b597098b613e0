// Package observability tests the metrics, traces and logs of real workers, and Prometheus with the deployed rules.
package observability

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
