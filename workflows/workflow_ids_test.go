package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseID(t *testing.T) {
	for text, want := range map[string]ID{
		CloseWorkflowID("prod", "nightly", "2026-10-31"):                             {Kind: "close", Connection: "prod", Name: "nightly", AsOfDate: "2026-10-31"},
		StepWorkflowID("close/prod/nightly/2026-10-31", "ledger"):                    {Kind: "close", Connection: "prod", Name: "nightly", AsOfDate: "2026-10-31", Suffix: "ledger"},
		BatchWorkflowID("prod", "ALLOC", "2026-10-31", ""):                           {Kind: "batch", Connection: "prod", Name: "ALLOC", AsOfDate: "2026-10-31"},
		BatchWorkflowID("prod", "ALLOC", "2026-10-31", "second"):                     {Kind: "batch", Connection: "prod", Name: "ALLOC", AsOfDate: "2026-10-31", Suffix: "second"},
		KeyedCloseWorkflowID("prod", "nightly", "2026-10-31", "scenario-7"):          {Kind: "close", Connection: "prod", Name: "nightly", AsOfDate: "2026-10-31", Suffix: "scenario-7"},
		KeyedScheduleID("prod", "nightly", "scenario-7"):                             {Kind: "schedule", Connection: "prod", Name: "nightly", Suffix: "scenario-7"},
		BackfillID("schedule/prod/nightly/scenario-7/backfill/a..b", "2026", "2027"): {Kind: "schedule", Connection: "prod", Name: "nightly", Suffix: "scenario-7/backfill/2026..2027"},
		ScheduleID("prod", "nightly"):                                                {Kind: "schedule", Connection: "prod", Name: "nightly"},
		BackfillID("schedule/prod/nightly", "2026-10-01", "2026-10-02"):              {Kind: "schedule", Connection: "prod", Name: "nightly", Suffix: "backfill/2026-10-01..2026-10-02"},
		BackfillID("schedule/prod/nightly/backfill/a..b", "2026", "2027"):            {Kind: "schedule", Connection: "prod", Name: "nightly", Suffix: "backfill/2026..2027"},
	} {
		id, ok := ParseID(text)
		require.True(t, ok, text)
		require.Equal(t, want, id)
		require.Equal(t, text, id.String())
		require.Equal(t, want.Kind == "schedule" && strings.Contains(want.Suffix, "backfill/"), id.IsBackfill())
		if strings.Contains(text, "scenario-7") {
			require.Equal(t, "scenario-7", id.Key())
		}
	}
	for _, text := range []string{"", "close", "close/a", "close/a/b", "batch//x/2026-10-31", "schedule/a", "night/prod/nightly", "month-end/close/a/b/c"} {
		_, ok := ParseID(text)
		require.False(t, ok, text)
	}
}

func TestUniqueID_differsEachTime(t *testing.T) {
	seen := map[string]bool{}
	now := time.Now()
	for range 20 {
		seen[uniqueID(now, "report", "c", "r")] = true
	}
	require.Greater(t, len(seen), 15)
}
