// Package tests runs the real thing end to end: the built worker and starter against the
// embedded Temporal server and the simulated service, over HTTPS with its private CA.
package tests

import (
	"os"
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
