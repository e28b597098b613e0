package console

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// foreseen makes the close of a console one that runs, and that would end within the hour, with one question.
func foreseen(c *Console) {
	now := time.Now()
	e := c.board.entries[closeID]
	e.Status.State, e.Status.TimeZone = workflows.Running, "America/New_York"
	e.Status.StartedAt = now.Add(-time.Minute)
	e.Status.Steps[0].StartedAt, e.Status.Steps[1].StartedAt = now, now
	c.board.entries[closeID] = e
	c.ended.cached("prod", "nightly-close").usual = durations{steps: map[string]time.Duration{"ledger": time.Hour, "sign-off": time.Hour}}
}

// While something does not answer it is the headline; nothing is calm, no end is foreseen, and no button pretends to work.
func TestHealth_outageIsTheHeadline(t *testing.T) {
	answered := time.Date(2026, 1, 5, 19, 34, 12, 0, time.UTC)
	temporal := func(c *Console) { c.board.trouble, c.board.listed = "connection refused", answered }
	workers := func(c *Console) { c.board.silent = silence{true, answered, answered.Add(-time.Minute)} }
	service := func(c *Console) {
		c.board.repeated[closeID] = []repeat{{Name: "ledger", Trouble: workflows.Trouble{Call: "token", HTTPStatus: 503, Since: answered}}}
	}
	has := func(body, pattern string) bool { return regexp.MustCompile(pattern).MatchString(body) }
	button := regexp.MustCompile(`<button name="value"[^>]*>`)
	for name, row := range map[string]struct {
		breaks                     func(*Console)
		headline                   string
		outage, stopped, questions bool
	}{
		"all is well":                     {func(*Console) {}, "2 questions wait for you", false, false, true},
		"all is well, and nothing waits":  {func(*Console) {}, "Nothing waits for you.", false, false, false},
		"Temporal":                        {temporal, "Temporal has not answered since Mon 2026-01-05 14:34 EST.", true, true, true},
		"Temporal, and nothing waited":    {temporal, "Temporal has not answered since Mon 2026-01-05 14:34 EST.", true, true, false},
		"the workers":                     {workers, "No worker has answered since Mon 2026-01-05 14:34:12 EST.", true, true, true},
		"the workers, and nothing waited": {workers, "No worker has answered since Mon 2026-01-05 14:34:12 EST.", true, true, false},
		"the service":                     {service, "prod: the service&#39;s token endpoint answers 503 since Mon 2026-01-05 14:34 EST.", true, false, true},
		"the service, and nothing waited": {service, "prod: the service&#39;s token endpoint answers 503 since Mon 2026-01-05 14:34 EST.", true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t, SystemUser("carol"), SystemRoles()...)
			foreseen(c)
			if !row.questions {
				for i := range c.board.entries[closeID].Status.Steps {
					c.board.entries[closeID].Status.Steps[i].Question = nil
				}
			}
			row.breaks(c)
			for _, path := range []string{"/", "/inbox", "/w/" + closeID} {
				body := strings.ReplaceAll(get(t, c.Handler(), path).Body.String(), `<span class="date">`, "")
				head := `<h1 class="first [a-z]+">(<svg[^>]*><use[^>]*></svg> )?` + regexp.QuoteMeta(row.headline)
				if path == "/w/"+closeID {
					head = "<strong>" + regexp.QuoteMeta(row.headline)
				}
				calm := strings.HasPrefix(row.headline, "Nothing waits")
				assert.Equal(t, path != "/w/"+closeID || row.outage, has(body, head), "%s: the headline", path)
				assert.Equal(t, path != "/w/"+closeID && calm, has(body, "Nothing waits"), "%s: calm", path)
				assert.Equal(t, path != "/w/"+closeID && row.stopped, has(body, "As of Mon 2026-01-05 14:34 EST"), "%s: as of", path)
				assert.Equal(t, path != "/inbox" && !row.outage, has(body, "ends (about|in about)"), "%s: a forecast", path)
				assert.Equal(t, path == "/" && !row.stopped, has(body, "/confirm/"), "%s: a link to what would have no effect", path)
				for _, b := range button.FindAllString(body, -1) {
					assert.Equal(t, row.stopped, has(b, " disabled"), "%s: %s", path, b)
				}
			}
			asks := get(t, c.Handler(), "/confirm/"+closeID+"?value=cancel").Body.String()
			assert.Equal(t, row.stopped, has(asks, `<button class="danger" disabled>`))
		})
	}
}

// A close that has ended is started again without a worker, and workers of another queue or version may be there.
func TestHealth_stopsWhatNeedsAWorker(t *testing.T) {
	h := health{temporal: true, queue: "pbsm"}
	runs := entry{Queue: "pbsm", Status: workflows.Status{State: workflows.Running}}
	assert.NotEmpty(t, h.stopped(runs))
	assert.Equal(t, "not the newest", h.unknown(entry{Unknown: "not the newest"}))
	assert.Empty(t, health{}.unknown(entry{Unknown: "not the newest"}), "nothing is, without Temporal")
	for name, change := range map[string]func(*entry){
		"another queue":   func(e *entry) { e.Queue = "other" },
		"another version": func(e *entry) { e.Pinned = true },
		"it has ended":    func(e *entry) { e.Ended = ten },
	} {
		e := runs
		change(&e)
		assert.Empty(t, h.stopped(e), name)
		h.temporal = false
		assert.NotEmpty(t, h.stopped(e), name)
		h.temporal = true
	}
}

// A close that waits ends no sooner than somebody answers, and one of which nobody knows the status at no known time.
func TestExpected_ofWhatMakesNoProgress(t *testing.T) {
	p := &page{Now: ten, Health: health{temporal: true, workers: true}}
	e := entry{Status: workflows.Status{State: workflows.Waiting, Steps: []workflows.StepStatus{{ID: "ledger", State: workflows.Waiting}}}}
	u := durations{steps: map[string]time.Duration{"ledger": time.Hour}}
	_, ends := p.expected(e, u)
	assert.Equal(t, "answered now, it ends about 23:00 UTC", endsText(e.Status, timesOf(e), ends, ten))
	e.Unknown = "No worker answers"
	_, ends = p.expected(e, u)
	assert.Empty(t, endsText(e.Status, timesOf(e), ends, ten))
}

// What belongs to no pipeline has the time zone of the page's closes.
func TestNewPage_oneTimeZone(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	foreseen(c)
	c.board.entries["batch"] = entry{ID: "batch", Type: workflows.RunBatchType, Status: workflows.Status{
		Type: workflows.RunBatchType, Subject: "PBSM_ALLOC", Connection: "prod", State: workflows.Waiting, StartedAt: ten,
		Question: &workflows.Question{Why: "it failed", Choices: []string{"restart"}, Since: ten},
	}}
	assert.NotContains(t, get(t, c.Handler(), "/").Body.String(), "UTC")
	assert.Equal(t, "times of America/New_York", regexp.MustCompile(`times of [^\s<]+`).FindString(get(t, c.Handler(), "/").Body.String()))
	e := c.board.entries[closeID]
	e.ID, e.Status.TimeZone = closeID+"/2", "Asia/Tokyo"
	c.board.entries[e.ID] = e
	assert.NotContains(t, get(t, c.Handler(), "/").Body.String(), "times of", "each time names its own")
}
