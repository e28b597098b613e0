package stores

import (
	"testing"
	"time"
)

// Stall sets the time that a server may be silent, until the test ends.
func Stall(t *testing.T, patience time.Duration) {
	before := stallTimeout
	stallTimeout = patience
	t.Cleanup(func() { stallTimeout = before })
}
