package console

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShared_isBuiltOnceForAllViewersOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		built := 0
		var fails error
		s := &shared{known: map[string]*sharedPage{}, build: func(context.Context, string, access) (page, error) {
			built++
			return page{}, fails
		}}
		before, after := make(chan struct{}), make(chan struct{})
		see := func(path string, changed <-chan struct{}, groups ...string) {
			t.Helper()
			_, err := s.of(t.Context(), path, access{Person: Person{"carol", groups}}, changed)
			require.Equal(t, fails, err)
		}
		see("/", before, "night", "audit")
		see("/", before, "audit", "night")
		assert.Equal(t, 1, built, "the same groups")
		see("/", before, "night")
		see("/inbox", before, "night")
		assert.Equal(t, 3, built, "other groups, another page")
		see("/", after, "night")
		assert.Equal(t, 4, built, "something has changed")
		time.Sleep(eventsAtLeast)
		see("/", after, "night")
		assert.Equal(t, 5, built, "the times on it are old")
		fails = errors.New("the viewer has left")
		see("/w/x", after, "night")
		fails = nil
		see("/w/x", after, "night")
		assert.Equal(t, 7, built, "an error is not kept")
		time.Sleep(time.Hour)
		see("/nights/a/b", after, "night")
		assert.Len(t, s.known, 1, "what nobody has open is dropped")
	})
}
