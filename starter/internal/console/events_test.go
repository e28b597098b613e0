package console

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// A page that is open for hours asks again now and then: only with a new request does a proxy say who somebody is then.
func TestEvents_end(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}})
		require.NoError(t, err)
		c := newConsole(t, login, config.Role{Group: "night", Role: config.Operator})
		c.ended.find = func(context.Context, string, string) ([]endedClose, error) { return nil, nil }
		began := time.Now()
		w := get(t, c.Handler(), "/events?page=/", func(r *http.Request) {
			r.Header.Set("X-Name", "dave")
			r.Header.Set("X-Groups", "night")
		})
		require.Contains(t, w.Body.String(), "data: ")
		require.InDelta(t, eventsLast, time.Since(began), float64(time.Second))
	})
}
