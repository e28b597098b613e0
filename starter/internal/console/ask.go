package console

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// ask is a question as the page shows it, with a button for each answer that the viewer may give.
type ask struct {
	ID     string // of the workflow
	Link   string
	Step   string
	Key    string // unique on a page, and another one for another question
	Asked  string // the Since of the question, RFC 3339
	Title  string
	Of     string // the close that asks
	Why    string
	Facts  []string
	Since  string
	Until  string
	Waits  string
	Back   string
	Button []button
	RunID  string // the answer that wants a run id; empty: none does
	Silent string // why the viewer has no buttons
	// Stopped says why the buttons have no effect now.
	Stopped string
	Alone   bool // on a page of its own workflow, whose name is not a heading above it
}

// longHash is the hash of a file, of which a question has the beginning; the details of its step have more.
var longHash = regexp.MustCompile(`\b([0-9a-f]{8})[0-9a-f]{4,}…?`)

// ask makes the view of a question.
func (c *Console) ask(p *page, q question) ask {
	times := timesOf(q.entry)
	subject, tasks := q.Status.Subject, q.Status.Tasks
	if q.Step.ID != "" {
		subject = q.Step.ID
		if batch, ok := c.board.known(q.Step.WorkflowID); ok && batch.Status.Type == workflows.RunBatchType {
			tasks = batch.Status.Tasks
			subject = cmp.Or(batch.Status.Subject, subject)
		}
	}
	a := ask{
		ID:    q.ID,
		Link:  "/w/" + q.ID,
		Step:  q.Step.ID,
		Key:   fmt.Sprintf("%s-%d", cmp.Or(q.Step.ID, "workflow"), q.Asked().UnixMilli()),
		Asked: q.Asked().Format(time.RFC3339Nano),
		Title: cmp.Or(q.Step.Name(), q.Status.Subject),
		Of:    strings.Join(nonEmpty(q.Status.Subject, of(q.Status.Connection, q.Status.AsOfDate)), " · "),
		Why:   inButtons(q.Why),
		Since: times.TextAt(p.Now, q.Since),
		Waits: spell(p.Now.Sub(q.Since)),
		Back:  p.Path,
		Alone: p.Here == "",

		Stopped: p.Health.stopped(q.entry),
	}
	if failed, _ := failedTask(tasks); failed != "" {
		a.Title += " failed at " + failed
	}
	if q.Step.BasedOn != "" {
		a.Facts = append(a.Facts, "based on "+longHash.ReplaceAllString(q.Step.BasedOn, "$1…"))
	}
	if !q.Deadline.IsZero() {
		a.Until = times.TextAt(p.Now, q.Deadline)
	}
	approval := slices.Contains(q.Choices, workflows.ApproveCommand)
	for _, choice := range q.Choices {
		command, _, _ := strings.Cut(choice, " ")
		if approval {
			command = workflows.ApproveCommand
		}
		if !p.Who.maySend(q.Status.Connection, command) {
			a.Silent = "You may look, but not answer: that takes the role of an operator."
			if approval {
				a.Silent = "You may look, but not answer: that takes the role of an approver."
			}
			continue
		}
		b := needsRun(wording(choice, subject, tasks), q.Step)
		if approval && command != choice {
			b.Text, b.Effect = "Refuse", subject+" ends as refused, and what needs it does not run."
		}
		if strings.HasSuffix(choice, workflows.Adopt) || choice == workflows.DoneCommand && isBatch(q.Step) {
			a.RunID = b.Text
		}
		b.Main = b.Main && !slices.ContainsFunc(a.Button, func(other button) bool { return other.Main })
		a.Button = append(a.Button, b)
	}
	return a
}

func isBatch(s workflows.StepStatus) bool {
	return s.Kind == string(pipeline.KindBatch) || s.Kind == string(pipeline.KindGroup)
}

// known is a workflow of the board.
func (b *board) known(id string) (entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[id]
	return e, ok
}

func (c *Console) inbox(p *page) error {
	p.Title, p.Here = "Inbox", "inbox"
	open := questions(p.entries)
	var asks []ask
	for _, q := range open {
		asks = append(asks, c.ask(p, q))
	}
	return cmp.Or(
		p.add("first-line", "first-line", p.newHead(len(open), waitLine(p, open), "")),
		p.add("trouble", "trouble", p.otherTroubles()),
		p.add("inbox", "inbox", asks),
	)
}
