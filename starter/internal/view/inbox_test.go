package view

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func inboxJobs() []Job {
	urgent := now.Add(time.Hour)
	failed := &workflows.Question{
		Why: "PBSM_ALLOC_7_1 ended as Failure at ALLOCATE", Choices: []string{"restart", "decide give_up"}, Since: start, Deadline: urgent,
	}
	night := waitingNight()
	night.Status.Steps[3].Question, night.Status.Steps[3].WorkflowID = failed, "batch/prod/PBSM_ALLOC/2026-10-31"
	night.Status.Steps[6].Question = &workflows.Question{Why: "Are the books good", Choices: []string{"approve"}, Since: now.Add(-time.Minute)}
	return []Job{
		{ID: "batch/prod/PBSM_ALLOC/2026-10-31", Status: workflows.Status{Type: workflows.RunBatchType, Connection: "prod", Subject: "PBSM_ALLOC", Question: failed}},
		batch(),
		night,
		{ID: "batch/prod/SILENT/2026-10-31", Notes: []string{"nobody tells: no worker\nanswers"}},
		{ID: "batch/prod/OVER/2026-10-31", Status: workflows.Status{Type: workflows.RunBatchType, State: workflows.Running}},
	}
}

func TestInboxAsksEachQuestionOnce(t *testing.T) {
	var asked []string
	for _, w := range Inbox(inboxJobs()) {
		asked = append(asked, w.WorkflowID+" "+w.Subject)
	}
	assert.Equal(t, []string{
		closeID + " allocate", // it has a deadline
		"batch/prod/PBSM_PROFIT_GRP/2026-10-31 PBSM_PROFIT_GRP",
		"batch/prod/SILENT/2026-10-31 batch/prod/SILENT/2026-10-31",
		closeID + " balance-sheet",
	}, asked, "not the batch for which the close asks, not what goes on again")
}

func TestInbox(t *testing.T) {
	utc(t)
	golden(t, "inbox", Style{Unicode: true}.Inbox(Inbox(inboxJobs()), now, 110))
	golden(t, "inbox_narrow", Style{}.Inbox(Inbox(inboxJobs()), now, 50))
	assert.Equal(t, []string{"Nothing waits for an operator."}, Style{}.Inbox(Inbox(nil), now, 80))
}

func utc(t *testing.T) {
	before := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = before })
}
