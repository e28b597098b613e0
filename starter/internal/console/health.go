package console

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// trouble is something which the closes or the console need, and which does not answer.
type trouble struct {
	// What is a headline, with since when; Do is what that means, and what to do.
	What, Do string

	connection string // whose closes need it; empty for all
}

// health is what a page knows of Temporal, the workers and the services, so that it promises nothing which none of them
// can keep: neither that all is well, nor an end, nor a button that has no effect.
type health struct {
	Troubles []trouble // the worst first
	// AsOf is of when the page is; empty for now.
	AsOf string

	temporal bool   // it answers
	workers  bool   // those of the queue answer
	queue    string // of tasks
}

// health judges what the closes of a viewer need. While Temporal does not answer nothing is known of the rest.
func (c *Console) health(entries []entry, times clock.Clock, now time.Time) health {
	b := c.board
	b.mu.Lock()
	unreachable, listed, silent := b.trouble, b.listed, b.silent
	b.mu.Unlock()
	h := health{temporal: unreachable == "", workers: !silent.is, queue: c.session.TaskQueue}
	switch {
	case !h.temporal:
		h.AsOf = times.TextAt(now, listed)
		h.Troubles = append(h.Troubles, trouble{
			What: "Temporal has not answered since " + h.AsOf + ".",
			Do: fmt.Sprintf("What is shown is as of then, and no button works until Temporal answers. The closes then continue "+
				"alone; what was started at the service runs meanwhile. Check that Temporal's server runs and can be reached "+
				"from here (%s).", strings.Join(nonEmpty(c.session.Address, unreachable), ": ")),
		})
		return h
	case !h.workers:
		h.AsOf = times.TextAt(now, cmp.Or(silent.since, now))
		h.Troubles = append(h.Troubles, c.silenceTrouble(silent, times, now))
	}
	h.Troubles = append(h.Troubles, outages(entries, b.repeats, now)...)
	return h
}

func (c *Console) silenceTrouble(s silence, times clock.Clock, now time.Time) trouble {
	what, shown := "No worker answers.", ""
	if !s.since.IsZero() {
		what = "No worker has answered since " + times.ExactAt(now, s.since) + "."
		shown = "What is shown is as of then. "
	} else if !s.last.IsZero() {
		shown = "The last one began to poll at " + times.ExactAt(now, s.last) + ". "
	}
	return trouble{What: what, Do: fmt.Sprintf("%sNo close continues, and no button of one that runs works, until a worker "+
		"answers; what was started at the service runs meanwhile. %s (task queue %q, namespace %s at %s).",
		shown, client.StartWorker, c.session.TaskQueue, c.session.Namespace, c.session.Address)}
}

// stopped says why no command to a workflow can have an effect now; empty where one can. A close that has ended is
// started again without a worker, and other queues and versions have workers of their own.
func (h health) stopped(e entry) string {
	switch {
	case !h.temporal:
		return "No button works until Temporal answers."
	case !h.workers && !e.Pinned && e.Queue == h.queue && e.Ended.IsZero() && !e.Status.State.Done():
		return "No button works until a worker answers."
	}
	return ""
}

// unknown says why the status of a workflow is not the newest; empty where that of Temporal says it of all.
func (h health) unknown(e entry) string {
	if !h.temporal {
		return ""
	}
	return e.Unknown
}

// foresees reports whether a workflow makes progress as far as is known, so that its end can be foreseen.
func (h health) foresees(e entry) bool {
	if e.Unknown != "" || h.stopped(e) != "" {
		return false
	}
	for _, t := range h.Troubles {
		if t.connection == e.Status.Connection && t.connection != "" {
			return false
		}
	}
	return true
}

// expected is the forecast of a close, whose end is zero where it cannot be foreseen.
func (p *page) expected(e entry, u durations) (steps map[string]span, end time.Time) {
	steps, end = forecast(e.Status, u, p.Now)
	if !p.Health.foresees(e) {
		end = time.Time{}
	}
	return steps, end
}

// endsText says when a close ends. One that waits for an operator is taken to be answered now.
func endsText(s workflows.Status, times clock.Clock, ends, now time.Time) string {
	switch {
	case ends.IsZero():
		return ""
	case s.State == workflows.Waiting:
		return "answered now, it ends about " + times.TextAt(now, ends)
	}
	return "ends about " + times.TextAt(now, ends)
}

// zoneOf is the time zone of the workflows that have one, if all have the same; empty otherwise.
func zoneOf(entries []entry) (zone string) {
	for _, e := range entries {
		switch z := e.Status.TimeZone; {
		case z == "" || z == zone:
		case zone == "":
			zone = z
		default:
			return ""
		}
	}
	return zone
}
