// Package docs tests the pages: links, commands, inputs and the quickstart.
package docs

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
