package view

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func inboxSnapshots() []Snapshot {
	urgent := now.Add(time.Hour)
	failed := &workflows.Question{
		Why: "PBSM_ALLOC_7_1 ended as Failure at ALLOCATE", Choices: []string{"restart", "decide give_up"}, Since: start, Deadline: urgent,
	}
	nightly := waitingClose()
	nightly.Status.Steps[3].Question, nightly.Status.Steps[3].WorkflowID = failed, "batch/prod/PBSM_ALLOC/2026-10-31"
	nightly.Status.Steps[6].Question = &workflows.Question{Why: "Are the books good", Choices: []string{"approve"}, Since: now.Add(-time.Minute)}
	return []Snapshot{
		{ID: "batch/prod/PBSM_ALLOC/2026-10-31", Status: workflows.Status{Type: workflows.RunBatchType, Connection: "prod", Subject: "PBSM_ALLOC", Question: failed}},
		waitingBatch(),
		nightly,
		{ID: "batch/prod/SILENT/2026-10-31", Status: workflows.Status{Connection: "prod", AsOfDate: "2026-10-31", StartedAt: start}, Notes: []string{"its question is unknown: no worker\nanswers"}},
		{ID: "batch/prod/OVER/2026-10-31", Status: workflows.Status{Type: workflows.RunBatchType, State: workflows.Running}},
	}
}

func TestInbox_listsEachQuestionOnce(t *testing.T) {
	var asked []string
	for _, w := range Inbox(inboxSnapshots()) {
		asked = append(asked, w.WorkflowID+" "+w.Subject)
	}
	assert.Equal(t, []string{
		closeID + " allocate", // it has a deadline
		"batch/prod/PBSM_PROFIT_GRP/2026-10-31 PBSM_PROFIT_GRP",
		"batch/prod/SILENT/2026-10-31 batch/prod/SILENT/2026-10-31",
		closeID + " balance-sheet",
	}, asked, "not the batch whose close asks, not what runs again")
}

func TestInbox(t *testing.T) {
	utc(t)
	golden(t, "inbox", Style{Unicode: true}.Inbox(Inbox(inboxSnapshots()), now, 110))
	golden(t, "inbox_narrow", Style{}.Inbox(Inbox(inboxSnapshots()), now, 50))
	assert.Equal(t, []string{"Nothing waits for an operator."}, Style{}.Inbox(Inbox(nil), now, 80))
}

// Two closes that ask the same can be distinguished, also in a narrow terminal.
func TestInbox_twoCloses(t *testing.T) {
	asks := func(connection, date string) Snapshot {
		question := &workflows.Question{Why: "Are the books good", Choices: []string{"approve"}}
		return Snapshot{ID: workflows.CloseWorkflowID(connection, "nightly-close", date), Status: workflows.Status{
			Type: workflows.NightlyCloseType, Connection: connection, Subject: "nightly-close", AsOfDate: date,
			Steps: []workflows.StepStatus{{ID: "sign-off", Question: question}},
		}}
	}
	entries := Inbox([]Snapshot{asks("prod", "2026-10-30"), asks("prod", "2026-10-31"), asks("uat", "2026-10-31")})
	for _, width := range []int{0, 80} {
		rows := Style{}.Inbox(entries, now, width)[1:4]
		for i, want := range []string{"prod  nightly-close: sign-off  2026-10-30", "prod  nightly-close: sign-off  2026-10-31", "uat   nightly-close: sign-off  2026-10-31"} {
			assert.Contains(t, rows[i], want)
		}
	}
}

func utc(t *testing.T) {
	before := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = before })
}
