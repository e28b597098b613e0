package tests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The embedded server is a module of its own: who deploys workers does not carry it along.
func TestWorkerAndStarterHoldNoServer(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-deps", "./worker", "./starter")
	list.Dir = ".."
	out, err := list.Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "go.temporal.io/sdk/client", "the list is of the right packages")
	for _, p := range packages {
		require.False(t, strings.HasPrefix(p, "go.temporal.io/server"), "%s", p)
	}
}
