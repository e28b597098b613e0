package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// repeat is why a workflow of a close, or its own, makes no progress.
type repeat struct {
	workflows.Trouble

	Name string    // of the step, or of the workflow
	Seen time.Time // when it was seen first
}

func (r repeat) String() string { return r.Name + " " + r.Text }

// outage is what calls of a connection are answered, again and again.
type outage struct {
	connection, who string
	status          int
}

func (r repeat) outage(connection string) outage {
	o := outage{connection, "the service", r.HTTPStatus}
	switch {
	case r.Host != "":
		o.who = "the object store " + r.Host
	case r.Call == "token":
		o.who = "the service's token endpoint"
	}
	return o
}

func (o outage) String() string {
	does := "cannot be reached"
	if o.status != 0 {
		does = fmt.Sprintf("answers %d", o.status)
	}
	return o.connection + ": " + o.who + " " + does
}

// outages says each once, since the earliest that is known.
func outages(entries []entry, repeats func(id string) []repeat, now time.Time) (list []trouble) {
	type found struct {
		since time.Time
		about string // where only the console knows since when
		times clock.Clock
	}
	known := map[outage]found{}
	for _, e := range entries {
		for _, r := range repeats(e.ID) {
			if r.Call == "" {
				continue
			}
			f := found{r.Since, "", timesOf(e)}
			if r.Since.IsZero() {
				f.since, f.about = r.Seen, " at the latest"
			}
			o := r.outage(e.Status.Connection)
			if before, ok := known[o]; !ok || f.since.Before(before.since) {
				known[o] = f
			}
		}
	}
	for o, f := range known {
		list = append(list, trouble{
			What: fmt.Sprintf("%s since %s%s.", o, f.times.TextAt(now, f.since), f.about),
			Do: "Calls are tried again, and the closes that need them continue alone once it answers. If that takes long, call " +
				"those who run it.",
			connection: o.connection,
		})
	}
	slices.SortFunc(list, func(a, b trouble) int { return strings.Compare(a.What, b.What) })
	return list
}

const (
	// repeatsEvery is how often it is looked what is repeated, and repeatPause the time between two workflows: with many
	// of them a round takes longer, instead of loading Temporal.
	repeatsEvery = 5 * time.Second
	repeatPause  = 50 * time.Millisecond
)

// lookForRepeats keeps current what the running steps repeat, which adds nothing to their histories.
func (b *board) lookForRepeats(ctx context.Context) {
	for ctx.Err() == nil {
		for _, e := range b.all() {
			if e.Ended.IsZero() && !e.Status.State.Done() {
				b.lookForRepeatsOf(ctx, e)
			}
		}
		pause(ctx, repeatsEvery)
	}
}

func (b *board) lookForRepeatsOf(ctx context.Context, e entry) {
	now, before := time.Now(), b.repeats(e.ID)
	look := func(name, id string) (found []repeat) {
		run, err := b.describe(ctx, id)
		if err == nil {
			for _, t := range run.Troubles(b.session.Payloads, b.session.Failures) {
				r := repeat{t, name, now}
				for _, old := range before {
					if old.Name == name && old.outage("") == r.outage("") {
						r.Seen = old.Seen
					}
				}
				found = append(found, r)
			}
		}
		pause(ctx, repeatPause)
		return found
	}
	found := look(e.Status.Subject, e.ID)
	for _, s := range e.Status.Steps {
		if s.WorkflowID != "" && !s.State.Done() {
			found = append(found, look(s.ID, s.WorkflowID)...)
		}
	}
	if !slices.Equal(before, found) {
		b.update(func() { b.repeated[e.ID] = found })
	}
}

// repeats are what a workflow repeats, and why.
func (b *board) repeats(id string) []repeat {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.repeated[id]
}

func textsOf(repeats []repeat) (texts []string) {
	for _, r := range repeats {
		texts = append(texts, r.String())
	}
	return texts
}

const (
	// probeEvery is how often it is looked whether workers answer, and probeAgain how soon after one did not.
	probeEvery = 10 * time.Second
	probeAgain = 2 * time.Second
	// maxSilence is how long no worker has answered when that is said. A worker that is busy may miss one question.
	maxSilence = 15 * time.Second
	// probed is how many workflows are queried at once: one of them may be stuck, whoever answers.
	probed = 2
)

// lookForWorkers keeps current whether workers answer. Temporal counts those that have died for more than a minute, but
// only a live one answers a query.
func (b *board) lookForWorkers(ctx context.Context) {
	for ctx.Err() == nil {
		next := probeEvery
		if !b.probe(ctx) {
			next = probeAgain
		}
		if now, known := b.silence(ctx); known && now != b.silentNow() {
			b.update(func() { b.silent = now })
		}
		pause(ctx, next)
	}
}

func (b *board) silentNow() silence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silent
}

// hear notes whether a worker has answered a query, also with an error, and reports it.
func (b *board) hear(err error) bool {
	if err != nil && client.NoWorkerAnswered(err) {
		return false
	}
	b.mu.Lock()
	b.answered = time.Now()
	b.mu.Unlock()
	return true
}

// probe queries workflows that run, and reports whether a worker answered. Without any there is nobody to ask. Those of
// another task queue have other workers.
func (b *board) probe(ctx context.Context) bool {
	var running []entry
	for _, e := range b.all() {
		if e.Ended.IsZero() && !e.Status.State.Done() && !e.Pinned && e.Queue == b.session.TaskQueue {
			running = append(running, e)
		}
	}
	if len(running) == 0 {
		return b.hear(nil)
	}
	slices.SortFunc(running, func(a, b entry) int { // those whose status is known have been answered before
		if a.Unknown != b.Unknown {
			return strings.Compare(a.Unknown, b.Unknown)
		}
		return strings.Compare(a.ID, b.ID)
	})
	var (
		all      sync.WaitGroup
		answered atomic.Bool
	)
	for _, e := range running[:min(probed, len(running))] {
		all.Go(func() {
			if _, err := b.status(ctx, e.ID, e.RunID); b.hear(err) {
				answered.Store(true)
			}
		})
	}
	all.Wait()
	return answered.Load()
}

// silence is whether no worker answers, since when, and when the last one began to poll. Times that are not known are
// zero.
type silence struct {
	is          bool
	since, last time.Time
}

// silence finds out whether workers answer. It is not known while Temporal does not answer.
func (b *board) silence(ctx context.Context) (s silence, known bool) {
	polls, err := b.session.Polls(ctx, b.session.TaskQueue)
	if err != nil {
		return silence{}, false // the list says why
	}
	b.mu.Lock()
	answered := b.answered
	b.mu.Unlock()
	switch {
	case time.Since(answered) > maxSilence:
		return silence{true, answered, polls.Last()}, true
	case polls.Idle(): // and nothing runs that it would answer for
		return silence{is: true, last: polls.Last()}, true
	}
	return silence{}, true
}
