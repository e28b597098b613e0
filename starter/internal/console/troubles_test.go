package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/api/serviceerror"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestOutages_onceForEachConnection(t *testing.T) {
	of := func(connection string) entry {
		return entry{ID: "close/" + connection, Status: workflows.Status{Connection: connection}}
	}
	login := func(step string, since time.Duration) repeat {
		return repeat{Name: step, Trouble: workflows.Trouble{
			Text: "is being retried: HTTP 503", Since: ten.Add(since), Call: "token", HTTPStatus: 503,
		}}
	}
	repeats := map[string][]repeat{
		"close/prod": {
			login("ledger", 2*time.Minute), login("rates", time.Minute),
			{Name: "allocate", Seen: ten, Trouble: workflows.Trouble{Text: "is being retried: no route", Call: "status"}},
			{Name: "profit", Trouble: workflows.Trouble{Text: "is paused in Temporal"}},
		},
		"close/test": {{Name: "ledger", Seen: ten, Trouble: workflows.Trouble{Call: "put", Host: "objects.example", HTTPStatus: 429}}},
	}
	of1 := []entry{of("prod"), of("test")}
	var texts []string
	for _, outage := range outages(of1, func(id string) []repeat { return repeats[id] }, ten.Add(time.Hour)) {
		texts = append(texts, outage.What)
	}
	assert.Equal(t, []string{
		"prod: the service cannot be reached since 22:00 UTC at the latest.",
		"prod: the service's token endpoint answers 503 since 22:01 UTC.",
		"test: the object store objects.example answers 429 since 22:00 UTC at the latest.",
	}, texts)
	assert.Empty(t, outages(of1[:0], func(id string) []repeat { return repeats[id] }, ten), "of no connection that the viewer sees")
}

// A dead worker still counts at Temporal, and answers nothing.
func TestLookForWorkers_silence(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	temporal.Polled = map[string]time.Time{"pbsm": time.Now().Add(-20 * time.Second)}
	b := newBoard(&client.Session{Factory: &cli.Factory{TaskQueue: "pbsm"}, Temporal: temporal})
	assert.True(t, b.probe(t.Context()), "nothing runs that could be asked about")
	runs := entry{ID: "id", RunID: "run", Type: workflows.NightlyCloseType, Queue: "another", Status: workflows.Status{State: workflows.Running}}
	b.entries["id"] = runs
	assert.True(t, b.probe(t.Context()), "other workers would answer")
	runs.Queue = "pbsm"
	b.entries["id"] = runs
	assert.False(t, b.probe(t.Context()))
	now, known := b.silence(t.Context())
	assert.True(t, known)
	assert.Zero(t, now, "one question may be missed")

	b.answered = time.Now().Add(-maxSilence - time.Second)
	assert.False(t, b.probe(t.Context()))
	now, _ = b.silence(t.Context())
	assert.True(t, now.is)
	assert.Equal(t, b.answered, now.since)
	assert.WithinDuration(t, temporal.Polled["pbsm"], now.last, 0)

	temporal.QueryError = serviceerror.NewQueryFailed("it is odd, but there")
	assert.True(t, b.probe(t.Context()), "an error of a worker is an answer")
	now, _ = b.silence(t.Context())
	assert.Zero(t, now)
	pinned := b.entries["id"]
	pinned.Pinned, temporal.QueryError = true, serviceerror.NewUnavailable("no worker")
	b.entries["id"] = pinned
	assert.True(t, b.probe(t.Context()), "workers of another version may be there")
}
