package harness

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// A port that the kernel could give to a connection, or that another test has, is taken before a program binds it.
func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port := FreePort(t)
		require.False(t, seen[port], port)
		require.LessOrEqual(t, port, math.MaxInt16)
		seen[port] = true
	}
}
