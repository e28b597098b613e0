package docs

import (
	"os"
	"testing"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
