package schedule

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

var update = flag.Bool("update", false, "write the golden files")

// scheduleConfig is a configuration with a calendar and a pipeline, and without any secret.
func scheduleConfig(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pbsm.yaml": `
connections: {prod: {password: {file: /nowhere}}}
worker: {pipelines: pipelines}
calendars:
  my-bank: {base: us-bank, add: [2026-12-24, "2026-12-31 Year end"]}
`,
		"pipelines/nightly-close.yaml": "name: nightly-close\ncalendar: my-bank\ntime_zone: America/New_York\nsteps: [{id: a, batch: {code: B}}]\n",
		"pipelines/broken.yaml":        "name: broken\nsteps: []\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return filepath.Join(dir, "pbsm.yaml")
}

func TestCreate_dryRun(t *testing.T) {
	cfg := scheduleConfig(t)
	for name, args := range map[string][]string{
		"christmas":  {"-p", "nightly-close", "--at", "22:00", "--from", "2026-12-21"},
		"month-end":  {"-p", "month-end-close", "--at", "23:30", "--on", "month-end+2", "--as-of", "month-end", "--calendar", "us-bank", "--time-zone", "America/New_York", "--from", "2026-10-01", "--nights", "4"},
		"two-clocks": {"-p", "late", "--at", "01:30", "--on", "daily", "--as-of", "day-1", "--calendar", "us-bank", "--time-zone", "America/New_York", "--from", "2026-10-31", "--nights", "3"},
		"mid-month":  {"-p", "mid-month", "--on", "cron 15 21 15 * *", "--roll", "forward", "--calendar", "my-bank", "--time-zone", "Europe/London", "--from", "2026-08-01", "--nights", "3"},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Invoke(t, clitest.Only(New), append([]string{"schedule", "create", "--dry-run", "--config", cfg, "-c", "prod", "-o", "text"}, args...)...)
			require.Zero(t, got.Code, got.Stderr)
			path := filepath.Join("testdata", "nights-"+name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, []byte(got.Stdout), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), got.Stdout)
		})
	}
}

func TestCreate_hintsAtACloseAfterMidnight(t *testing.T) {
	args := []string{"schedule", "create", "--dry-run", "--config", scheduleConfig(t), "-c", "prod", "-p", "nightly-close", "--at", "01:30"}
	assert.Contains(t, clitest.Invoke(t, clitest.Only(New), append(args, "-o", "text")...).Stderr, "--as-of business-day-1")
	assert.Empty(t, clitest.Invoke(t, clitest.Only(New), append(args, "-o", "text", "--as-of", "business-day-1")...).Stderr)
}

func TestCreate_dryRunAsJSON(t *testing.T) {
	got := clitest.Invoke(t, clitest.Only(New), "schedule", "create", "--dry-run", "--config", scheduleConfig(t), "-c", "prod", "-p", "nightly-close", "--at", "22:00", "--from", "2026-12-30", "--nights", "2", "-o", "json")
	require.Zero(t, got.Code, got.Stderr)
	var document nights
	require.NoError(t, json.Unmarshal([]byte(got.Stdout), &document), got.Stdout)
	assert.Equal(t, nights{
		ID: "schedule/prod/nightly-close",
		Rule: workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "nightly-close", Calendar: "my-bank", TimeZone: "America/New_York", At: "22:00",
			On: "business-days", AsOf: "business-day"},
		Nights: []view.Night{
			{Night: "2026-12-30", Weekday: "Wednesday", Start: "2026-12-30T22:00:00-05:00", StartUTC: "2026-12-31T03:00:00Z", AsOfDate: "2026-12-30"},
			{Night: "2026-12-31", Weekday: "Thursday", NoClose: "Year end"},
			{Night: "2027-01-01", Weekday: "Friday", NoClose: "New Year's Day"},
			{Night: "2027-01-04", Weekday: "Monday", Start: "2027-01-04T22:00:00-05:00", StartUTC: "2027-01-05T03:00:00Z", AsOfDate: "2027-01-04"},
		},
	}, document)
}

func TestCreate_reportsEveryProblem(t *testing.T) {
	cfg := scheduleConfig(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"connection: is missing", "pipeline: is missing", "the calendar is missing; known: at, au-nsw, be, ca, ch, de, es, fr, gb, it, jp, my-bank, no, se, target2, us-bank", "the time zone is missing", "the time of day is missing"}},
		{[]string{"-c", "a/b", "-p", "nightly-close", "--at", "25:00", "--on", "sometimes", "--roll", "up", "--as-of", "today", "--overlap", "both", "--catch-up", "1s", "--nights", "0", "--from", "soon", "--calendar", "x", "--time-zone", "Mars"}, []string{
			`connection: "a/b"`, `at "25:00"`, `on "sometimes"`, `roll "up"`, `as-of "today"`, `overlap "both" is neither wait nor skip`, "catch-up 1s is less than 1m0s", "nights 0", `from "soon"`, `calendar "x" is not known; known: at, au-nsw, be, ca, ch, de, es, fr, gb, it, jp, my-bank, no, se, target2, us-bank`, `unknown time zone "Mars"`,
		}},
		{[]string{"-c", "prod", "-p", "broken", "--at", "22:00", "--calendar", "us-bank", "--time-zone", "UTC"}, []string{"broken.yaml has problems; see starter pipeline check"}},
	} {
		got := clitest.Invoke(t, clitest.Only(New), append([]string{"schedule", "create", "--config", cfg}, c.args...)...)
		assert.Equal(t, cli.ExitUsage, got.Code)
		for _, want := range c.want {
			assert.Contains(t, got.Stderr, want)
		}
	}
	got := clitest.Invoke(t, clitest.Only(New), "schedule", "backfill", "schedule/prod/x", "--from", "2026-11-05")
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, `--to "" is not a date`)
	got = clitest.Invoke(t, clitest.Only(New), "schedule", "backfill", "schedule/prod/x", "--from", "2026-11-05", "--to", "2026-11-04")
	assert.Contains(t, got.Stderr, "--to 2026-11-04 is before --from 2026-11-05")
	got = clitest.Invoke(t, clitest.Only(New), "schedule", "backfill", "schedule/prod/x", "--from", "2024-11-05", "--to", "2026-11-04")
	assert.Contains(t, got.Stderr, "more than 366 days")
}

// Every day at the time of day and, where the clocks skip it, the moment after.
func TestSchedule_forTemporal(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	s := createOptions{
		input:   workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "late", Calendar: "us-bank", TimeZone: "America/New_York", At: "02:30", On: "business-days"},
		overlap: "skip", catchUp: time.Hour, pauseOnFailure: true, note: "n", by: "ann",
	}
	compiled, err := known.Compile(rule(s.input))
	require.NoError(t, err)
	options := s.schedule(compiled, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "pbsm")
	assert.Equal(t, "schedule/prod/late", options.ID)
	assert.Equal(t, "America/New_York", options.Spec.TimeZoneName)
	require.Len(t, options.Spec.Calendars, 11, "every day, and once in each of ten years")
	assert.Equal(t, sdk.ScheduleCalendarSpec{Hour: at(2), Minute: at(30), Comment: "every day; the calendar decides: business-days of us-bank"}, options.Spec.Calendars[0])
	assert.Equal(t, sdk.ScheduleCalendarSpec{Year: at(2027), Month: at(3), DayOfMonth: at(14), Hour: at(3), Minute: at(0), Comment: "the clocks skip 02:30"}, options.Spec.Calendars[1])
	assert.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, options.Overlap)
	assert.Equal(t, time.Hour, options.CatchupWindow)
	assert.True(t, options.PauseOnFailure)
	action := options.Action.(*sdk.ScheduleWorkflowAction)
	assert.Equal(t, "night/prod/late", action.ID)
	assert.Equal(t, workflows.ScheduledCloseType, action.Workflow)
	in := s.input
	in.StartedBy = "schedule/prod/late"
	assert.Equal(t, []any{in}, action.Args, "a schedule, not an operator, starts the closes: whoever created it may approve their steps")
}

// A backfill has the nights that the clocks skip also from before its schedule was created.
func TestBackfillSchedule_ofANightThatTheClocksSkip(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	s := createOptions{input: workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "late", Calendar: "us-bank", TimeZone: "America/New_York", At: "02:30", On: "daily"}}
	compiled, err := known.Compile(rule(s.input))
	require.NoError(t, err)
	created := s.schedule(compiled, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "pbsm")
	past := sdk.ScheduleBackfill{Start: midnight(time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC), compiled.Location()), End: midnight(time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), compiled.Location())}
	own := backfillSchedule(created.ID, &sdk.ScheduleDescription{Schedule: sdk.Schedule{Spec: &created.Spec, Action: created.Action}}, s.input, compiled, past)
	assert.Contains(t, own.Spec.Calendars, sdk.ScheduleCalendarSpec{Year: at(2026), Month: at(3), DayOfMonth: at(8), Hour: at(3), Minute: at(0), Comment: "the clocks skip 02:30"})
	assert.Len(t, created.Spec.Calendars, 11, "the schedule itself does not change")
}

// A schedule of an unknown pipeline fails only at its first night.
func TestCreate_hintsAtAMissingPipeline(t *testing.T) {
	cfg := scheduleConfig(t)
	args := []string{"schedule", "create", "--dry-run", "--config", cfg, "-c", "prod", "--at", "22:00", "--calendar", "us-bank", "--time-zone", "UTC", "-p"}
	assert.Contains(t, clitest.Invoke(t, clitest.Only(New), append(args, "nightly-clos")...).Stderr, "which has broken, nightly-close")
	assert.Empty(t, clitest.Invoke(t, clitest.Only(New), append(args, "nightly-close")...).Stderr)
	require.NoError(t, os.RemoveAll(filepath.Join(filepath.Dir(cfg), "pipelines")))
	assert.Empty(t, clitest.Invoke(t, clitest.Only(New), append(args, "nightly-clos")...).Stderr, "the definitions are elsewhere")
}

// A pause does not make the schedule forget what it is for.
func TestNoteWith(t *testing.T) {
	for _, test := range []struct{ before, change, want string }{
		{"", "ann paused it: move", "ann paused it: move"},
		{"month end", "ann paused it", "month end | ann paused it"},
		{"month end | ann paused it", "bob unpaused it", "month end | bob unpaused it"},
		{"paused due to workflow failure: night/x: ledger failed", "ann unpaused it", "ann unpaused it"},
		{"ann paused it: move", "bob unpaused it", "bob unpaused it"},
	} {
		assert.Equal(t, test.want, noteWith(test.before, test.change))
	}
}

// A night that runs is shown as its close, and how that stands.
func TestOutcome_whileTheCloseRuns(t *testing.T) {
	const closing = "close/prod/nightly-close/2026-10-31"
	state, err := converter.GetDefaultDataConverter().ToPayload("waiting")
	require.NoError(t, err)
	state.Metadata["type"] = []byte("Keyword")
	temporal := clitest.NewTemporal(workflows.ScheduledCloseType, "pbsm")
	temporal.Pending = []*workflowpb.PendingChildExecutionInfo{{WorkflowId: closing}}
	temporal.Info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"PbsmState": state}}
	id, text := outcome(t.Context(), &client.Session{Factory: clitest.Factory(0), Temporal: temporal}, "night/prod/nightly-close-2026-10-31T22:00:00Z")
	assert.Equal(t, closing, id)
	assert.Equal(t, closing+" (waiting)", text)
}
