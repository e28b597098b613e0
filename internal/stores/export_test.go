package stores

import (
	"testing"
	"time"
)

// Stall sets the time that a server may be silent, until the test ends.
func Stall(t *testing.T, patience time.Duration) {
	before := idleTimeout
	idleTimeout = patience
	t.Cleanup(func() { idleTimeout = before })
}
