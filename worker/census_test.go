package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The latest night is the calendar's: over a weekend it is Friday's, and of a new schedule there is none.
func TestLastNight(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	c := &census{calendars: known, payloads: converter.GetDefaultDataConverter()}
	friday := time.Date(2026, 11, 20, 22, 0, 0, 0, zone)
	sunday := time.Date(2026, 11, 22, 12, 0, 0, 0, zone)
	long := friday.AddDate(0, -1, 0)
	nightly := workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "nightly", Calendar: "us-bank", TimeZone: "America/New_York", At: "22:00", On: "business-days"}
	unknown := nightly
	unknown.Calendar = "elsewhere"
	monthly := nightly
	monthly.On = "month-end"
	for name, tc := range map[string]struct {
		input   any
		created time.Time
		now     time.Time
		want    time.Time
	}{
		"over a weekend":               {nightly, long, sunday, friday},
		"at the very moment":           {nightly, long, friday, friday},
		"just before":                  {nightly, long, friday.Add(-time.Second), friday.AddDate(0, 0, -1)},
		"a month's end":                {monthly, long.AddDate(0, -1, 0), sunday, time.Date(2026, 10, 30, 22, 0, 0, 0, zone)},
		"created since":                {nightly, friday.Add(time.Hour), sunday, time.Time{}},
		"a calendar of other workers'": {unknown, long, sunday, time.Time{}},
		"not made by the starter":      {nil, long, sunday, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			schedule := &client.ScheduleDescription{Info: client.ScheduleInfo{CreatedAt: tc.created}}
			if tc.input != nil {
				payload, err := converter.GetDefaultDataConverter().ToPayload(tc.input)
				require.NoError(t, err)
				schedule.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.ScheduleInputMemo: payload}}
			}
			require.True(t, tc.want.Equal(c.lastNight(schedule, tc.now)), c.lastNight(schedule, tc.now))
		})
	}
}
