package schedule

import (
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// nights are those of a schedule, to show.
type nights struct {
	ID      string                        `json:"schedule_id"`
	Rule    workflows.ScheduledCloseInput `json:"rule"`
	Created bool                          `json:"created,omitempty"`
	Nights  []view.Night                  `json:"nights"`
	// WorkflowID is that of the close that was started, or existed.
	WorkflowID string `json:"workflow_id,omitempty"`
	// AlreadyDone: it had succeeded, and nothing was started.
	AlreadyDone bool `json:"already_done,omitempty"`
	// Paused: nothing but the one night was started.
	Paused   bool `json:"paused,omitempty"`
	verdicts []calendar.Verdict
}

// print shows the nights below a line that says whose they are, or what was done.
func (n nights) print(f *cli.Factory, done string) {
	if f.JSON() {
		n.Nights = []view.Night{}
		for _, v := range n.verdicts {
			n.Nights = append(n.Nights, view.NewNight(v))
		}
		f.PrintJSON(n)
		return
	}
	if done != "" {
		f.Print(n.ID + " " + done)
	}
	f.Print(n.head(), "")
	f.Print(f.Style.Nights(n.verdicts, f.Width())...)
	switch {
	case n.AlreadyDone:
		f.Print("", "See it: "+f.Starter("status "+n.WorkflowID))
	case n.WorkflowID != "":
		f.Print("", "Follow it: "+f.Starter("status "+n.WorkflowID+" --follow"))
	}
}

func (n nights) head() string {
	r := n.Rule
	head := n.ID + ": " + r.On + " of " + r.Calendar
	if r.At != "" {
		head += " at " + r.At
	}
	head += ", " + r.TimeZone
	if r.Roll != "" {
		head += ", rolled " + r.Roll
	}
	if r.AsOf != "" {
		head += ", as of " + r.AsOf
	}
	return head
}
