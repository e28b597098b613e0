package stores

import (
	"testing"
	"time"
)

// SetIdleTimeout sets the idle timeout until the test ends.
func SetIdleTimeout(t *testing.T, timeout time.Duration) {
	before := idleTimeout
	idleTimeout = timeout
	t.Cleanup(func() { idleTimeout = before })
}
