package view

import (
	"testing"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestCloses(t *testing.T) {
	ended := now
	closes := []Close{
		{
			ID:        "close/prod/nightly-close/2026-10-31",
			State:     string(workflows.Waiting),
			StartedAt: start,
			Summary:   "3 of 5 steps done; allocate waiting",
			Times:     clock.In("America/New_York"),
		},
		{
			ID:        "close/uat/month-end/2026-10-31",
			State:     string(workflows.SucceededWithExceptions),
			StartedAt: start,
			EndedAt:   &ended,
			Summary:   "done with exceptions: ledger skipped",
		},
		{
			ID:        "close/uat/nightly-close/2026-10-30",
			State:     "terminated",
			StartedAt: start,
			EndedAt:   &ended,
			Summary:   "no worker answers, so its status is not known",
		},
	}
	golden(t, "closes", Style{}.Closes(closes, 0))
	golden(t, "closes_narrow", Style{}.Closes(closes, 80))
	golden(t, "closes_none", Style{}.Closes(nil, 0))
}
