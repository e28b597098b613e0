// Package docs tests the pages: links, commands, inputs and the quickstart.
package docs

import (
	"os"
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
