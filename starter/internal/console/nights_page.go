package console

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// nightView is an ended close in the list of a pipeline's nights.
type nightView struct {
	Link, AsOf, Key string
	Look            look
	Started, Took   string
	Margin, Note    string
	Late            bool
	Width           int // of its bar, in units of 100 for the longest
}

// chart is the durations of a step over the closes, the oldest first.
type chart struct {
	Step, Usual, Longest string
	Points               []point
}

type point struct {
	X, Y, Height int
	Title        string
	Class        string
}

const (
	chartHeight = 40
	chartStep   = 8
)

func (c *Console) nightsPage(ctx context.Context, p *page, connection, pipeline string) error {
	if !p.Who.may(config.Viewer, connection) {
		return errNotFound
	}
	p.Title = "Nights of " + pipeline
	found, u, err := c.ended.list(ctx, connection, pipeline)
	if err != nil {
		return err
	}
	var longest time.Duration
	for _, n := range found {
		longest = max(longest, n.Ended.Sub(n.Started))
	}
	var list []nightView
	for _, n := range found {
		list = append(list, newNightView(n, longest, p.Now))
	}
	return cmp.Or(
		p.add("trouble", "trouble", p.Health.Troubles),
		p.add("nights", "nights", struct {
			Connection, Pipeline, Usual string
			Nights                      []nightView
		}{connection, pipeline, spellIfKnown(u.whole), list}),
		p.add("charts", "charts", charts(found, u)),
	)
}

func spellIfKnown(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return spell(d)
}

func newNightView(n endedClose, longest time.Duration, now time.Time) nightView {
	times := timesOf(n.entry)
	id, _ := workflows.ParseID(n.ID)
	took := n.Ended.Sub(n.Started)
	v := nightView{
		Link: "/w/" + n.ID, AsOf: id.AsOfDate, Key: id.Suffix, Look: lookOf(n.Status.State),
		Started: times.TextAt(now, n.Started), Took: spell(took), Note: cmp.Or(n.Summary, n.Status.Summary, n.Unknown),
	}
	if longest > 0 {
		v.Width = int(100 * took / longest)
	}
	if d := n.Status.Deadline; !d.IsZero() && n.Status.State.Success() {
		margin := d.Sub(n.Ended)
		v.Margin, v.Late = spell(margin)+" before its deadline", margin < 0
		if v.Late {
			v.Margin = spell(-margin) + " after its deadline"
		}
	}
	return v
}

// charts are the durations of each step of the newest close.
func charts(closes []endedClose, u durations) (list []chart) {
	i := slices.IndexFunc(closes, func(n endedClose) bool { return len(n.Status.Steps) > 0 })
	if i < 0 {
		return nil
	}
	for _, step := range closes[i].Status.Steps {
		list = append(list, newChart(step.ID, closes, u))
	}
	return list
}

func newChart(step string, closes []endedClose, u durations) chart {
	type run struct {
		took  time.Duration
		whole endedClose
		step  workflows.StepStatus
	}
	var runs []run
	var longest time.Duration
	for _, n := range slices.Backward(closes) {
		for _, s := range n.Status.Steps {
			if s.ID == step && !s.StartedAt.IsZero() && s.EndedAt.After(s.StartedAt) && s.KeptFrom.IsZero() {
				runs = append(runs, run{s.EndedAt.Sub(s.StartedAt), n, s})
				longest = max(longest, s.EndedAt.Sub(s.StartedAt))
			}
		}
	}
	c := chart{Step: step, Usual: spellIfKnown(u.steps[step]), Longest: spellIfKnown(longest)}
	for i, r := range runs {
		height := max(int(int64(chartHeight)*int64(r.took)/int64(longest)), 1)
		id, _ := workflows.ParseID(r.whole.ID)
		c.Points = append(c.Points, point{
			X: i * chartStep, Y: chartHeight - height, Height: height,
			Title: id.AsOfDate + ": " + spell(r.took) + ", " + lookOf(r.step.State).Word, Class: lookOf(r.step.State).Class,
		})
	}
	return c
}
