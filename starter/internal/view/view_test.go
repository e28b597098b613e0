package view

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	start = time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	now   = start.Add(12*time.Minute + 3*time.Second)
)

const closeID = "close/prod/nightly-close/2026-10-31"

func runningClose() Snapshot {
	task := func(code, status string) workflows.Task { return workflows.Task{Code: code, StatusCode: status} }
	j := Snapshot{
		ID:  closeID,
		Now: now,
		Status: workflows.Status{
			Type: workflows.NightlyCloseType, Connection: "prod", AsOfDate: "2026-10-31", Subject: "nightly-close",
			State: workflows.Running, Summary: "2 of 7 steps done; allocate running, extra running", StartedAt: start,
			TimeZone: "America/New_York", Deadline: start.Add(3 * time.Hour),
			Steps: []workflows.StepStatus{
				{ID: "ledger", Kind: "upload", State: workflows.Succeeded, Detail: "file id 5025, 250000 rows", StartedAt: start, EndedAt: start.Add(62 * time.Second)},
				{ID: "instruments", Kind: "upload", State: workflows.Succeeded, Detail: "file id 5026, 50000 rows", StartedAt: start, EndedAt: start.Add(31 * time.Second)},
				{ID: "extra", Kind: "upload", State: workflows.Running, WorkflowID: "extra", Detail: "inbox/extra.csv", StartedAt: start},
				{ID: "allocate", Kind: "batch", State: workflows.Running, WorkflowID: "alloc", Needs: []string{"ledger", "instruments"}, Detail: "PBSM_ALLOC", StartedAt: start.Add(time.Minute)},
				{ID: "profit", Kind: "group", State: workflows.Running, WorkflowID: "profit", Needs: []string{"allocate"}, StartedAt: start.Add(time.Minute), Deadline: start.Add(2 * time.Hour)},
				{ID: "profitability", Kind: "report", State: workflows.Pending, Needs: []string{"profit"}},
				{ID: "balance-sheet", Kind: "report", State: workflows.Pending, Needs: []string{"allocate", "extra"}},
			},
		},
		Children: map[string]workflows.Status{
			"alloc": {Type: workflows.RunBatchType, State: workflows.Running, Summary: "ongoing, 2 of 4 tasks done", RunID: "PBSM_ALLOC_7_1",
				Tasks: []workflows.Task{task("LOAD", "0"), task("CHECK", "4"), task("ALLOCATE", "2"), task("PUBLISH", "1")}},
			"profit": {Type: workflows.RunBatchType, State: workflows.Running, Summary: "ongoing, 1 of 2 batches done", RunID: "PBSM_PROFIT_GRP_8_1",
				Batches: []workflows.MemberRun{{RunID: "PBSM_FTP_9_1", StatusCode: "0"}, {RunID: "PBSM_PROFIT_9_1", StatusCode: "2"}}},
			"extra": {Type: workflows.UploadFileType, State: workflows.Running, Summary: "send extra.csv, 40000000 bytes"},
		},
		Transfers: map[string]Transfer{"extra": {Done: 12_400_000, Total: 40_000_000}},
	}
	for i := range j.Status.Steps {
		if s := &j.Status.Steps[i]; s.Deadline.IsZero() {
			s.Deadline = j.Status.Deadline
		}
	}
	return j
}

func waitingClose() Snapshot {
	j := runningClose()
	delete(j.Transfers, "extra")
	j.Status.Steps[2].WaitUntil = start.Add(time.Hour)
	why := "PBSM_ALLOC_7_1 ended as Failure at ALLOCATE"
	w := &workflows.Question{Why: why, Choices: []string{"restart", "decide adopt"}}
	j.Status.State, j.Status.Summary, j.Status.Question = workflows.Waiting, "2 of 7 steps done; allocate waiting", w
	j.Status.Steps[3].State, j.Status.Steps[3].Question, j.Status.Steps[3].Detail = workflows.Waiting, w, why
	j.Notes = []string{"No worker has answered since 02:10:00; retrying. What was started at the service continues."}
	return j
}

func waitingBatch() Snapshot {
	return Snapshot{ID: "batch/prod/PBSM_PROFIT_GRP/2026-10-31", Now: now, Status: workflows.Status{
		Type: workflows.RunBatchType, Subject: "PBSM_PROFIT_GRP", State: workflows.Waiting, Summary: "held", StartedAt: start,
		Question: &workflows.Question{Why: "the service holds the run", Choices: []string{"interrupt"}},
		Batches: []workflows.MemberRun{
			{RunID: "PBSM_FTP_9_1", StatusCode: "0", Status: "SUCCESSFUL", Tasks: []workflows.Task{{Code: "RATES", StatusCode: "0"}}},
			{RunID: "PBSM_PROFIT_9_1", StatusCode: "5", Tasks: []workflows.Task{{Code: "CALC", StatusCode: "5"}, {Code: "NEW", StatusCode: "99", Status: "SOMETHING"}}},
		},
	}}
}

func longClose() Snapshot {
	j := Snapshot{ID: closeID, Now: now, Status: workflows.Status{Type: workflows.NightlyCloseType, State: workflows.Running, StartedAt: start}}
	for i := range 60 {
		state := workflows.Pending
		switch {
		case i < 30:
			state = workflows.Succeeded
		case i < 33:
			state = workflows.Running
		case i == 40:
			state = workflows.Failed
		}
		j.Status.Steps = append(j.Status.Steps, workflows.StepStatus{ID: fmt.Sprintf("step-%02d", i), Kind: "batch", State: state})
	}
	return j
}

func TestLive(t *testing.T) {
	for _, test := range []struct {
		name          string
		snapshot      Snapshot
		style         Style
		width, height int
	}{
		{"wide", runningClose(), Style{Unicode: true}, 110, 30},
		{"narrow", runningClose(), Style{Unicode: true}, 48, 30},
		{"very_narrow", runningClose(), Style{Unicode: true}, 24, 30},
		{"ascii", runningClose(), Style{}, 110, 30},
		{"color", runningClose(), Style{Unicode: true, Color: true}, 70, 30},
		{"waiting", waitingClose(), Style{Unicode: true}, 80, 40},
		{"batch", waitingBatch(), Style{Unicode: true}, 80, 40},
		{"long", longClose(), Style{Unicode: true}, 60, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := test.style.Live(test.snapshot, test.width, test.height)
			for _, line := range lines {
				if !strings.HasPrefix(line, "    starter ") { // commands stay whole, to be copied
					assert.LessOrEqual(t, Width(line), test.width, "%q", line)
				}
			}
			golden(t, test.name, lines)
		})
	}
}

// A status shows what the Temporal UI shows: the risk, and the log.
func TestSnapshot_showsRiskAndLog(t *testing.T) {
	j := waitingClose()
	j.Status.AtRisk = "at risk: step allocate is still running, and its deadline is 2026-11-01T05:00:00Z"
	j.Status.Log = []workflows.LogEntry{
		{At: now, What: "notification not delivered (waiting): night-shift: 404"},
		{At: now, By: "ann", What: "allocate: decide skip refused: it does not apply", Why: "no time"},
	}
	text := strings.Join(Style{}.Snapshot(j, 200), "\n")
	assert.Contains(t, text, j.Status.AtRisk)
	assert.Contains(t, text, "notification not delivered (waiting): night-shift: 404")
	assert.Contains(t, text, "decide skip refused: it does not apply, by ann: no time")
	assert.Less(t, strings.Index(text, "by ann"), strings.Index(text, "starter close restart"), "the commands come last")
	assert.Contains(t, strings.Join(Style{}.Live(j, 200, 12), "\n"), j.Status.AtRisk)
	assert.Contains(t, texts(Changes(waitingClose(), j)), "note: "+j.Status.AtRisk)
}

func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	got := strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestLive_foldsLongCloses(t *testing.T) {
	text := strings.Join(Style{}.Live(longClose(), 60, 12), "\n")
	for _, want := range []string{"30 steps done", "step-30", "step-31", "step-32", "step-40", "26 steps to come"} {
		assert.Contains(t, text, want)
	}
	assert.LessOrEqual(t, len(Style{}.Live(longClose(), 60, 12)), 12)
}

func TestResult(t *testing.T) {
	result := &workflows.NightlyCloseResult{
		Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", State: workflows.Failed, StartedAt: start, EndedAt: now,
		Steps: []workflows.StepResult{
			{ID: "ledger", Kind: "upload", State: workflows.Succeeded, StartedAt: start, EndedAt: start.Add(time.Minute),
				StepOutcome: workflows.StepOutcome{Upload: &workflows.FileResult{FileID: "5025", Bytes: 15_512_345, Rows: new(int64(250_000))}}},
			{ID: "allocate", Kind: "batch", State: workflows.Succeeded, StartedAt: start, EndedAt: now,
				StepOutcome: workflows.StepOutcome{Batch: &workflows.RunBatchResult{RunID: "PBSM_ALLOC_7_1", Status: "SUCCESSFUL", Restarts: 1, Reruns: 2}}},
			{ID: "profit", Kind: "group", State: workflows.Failed, StepOutcome: workflows.StepOutcome{Error: "the trigger\nwas refused"}, StartedAt: start, EndedAt: now},
			{ID: "export", Kind: "export", State: workflows.Skipped, StepOutcome: workflows.StepOutcome{Migration: &workflows.MigrateResult{StatusCode: "SUCCESS"}}},
			{ID: "profitability", Kind: "report", State: workflows.NotRun},
		},
	}
	golden(t, "close_result", Style{Unicode: true}.Result(result, 90))
	golden(t, "migrate_result", Style{}.Result(&workflows.MigrateResult{Direction: "export", Code: "MIG", StatusCode: "SUCCESS", AlreadyComplete: true, Message: "Export is complete"}, 80))
	file := workflows.FileResult{File: "reports/x.csv", Bytes: 6_535_416, Rows: new(int64(50_000)), SHA256: "ab12", StartedAt: start, EndedAt: now}
	golden(t, "report_result", Style{}.Result(&workflows.GenerateReportResult{Code: "RPT001", InstanceID: "103", File: file}, 80))
}

// What every workflow, and every step, came to is text: an operator sees nothing else of it.
func TestResult_everyWorkflow(t *testing.T) {
	for _, of := range workflows.WorkflowTypes() {
		assert.NotEmpty(t, strings.TrimSpace(strings.Join(Style{}.Result(workflows.NewResult(of.Name), 80), "")), of.Name)
	}
	deleted := workflows.DeleteFilesResult{FileIDs: []string{"1", "2"}, AlreadyGone: []string{"3"}}
	assert.Equal(t, []string{"+ 2 files deleted, 1 were gone before"}, Style{}.Result(&deleted, 80))
	assert.Equal(t, []string{"+ FTP is at 2026-10-31"}, Style{}.Result(&workflows.SetAsOfDateResult{App: "FTP", AsOfDate: "2026-10-31"}, 80))
	exported := workflows.ExportDataResult{RunID: "R1", Rows: "9", Files: make([]workflows.FileResult, 2)}
	assert.Equal(t, []string{"+ 2 files of run R1, 9 rows"}, Style{}.Result(&exported, 80))

	step := workflows.StepResult{Kind: "delete", Summary: deleted.Summary(), StepOutcome: workflows.StepOutcome{Deleted: &deleted}}
	assert.Equal(t, "2 files deleted, 1 were gone before", stepOutcome(step, clock.UTC))
}

// The runbook sends operators here for what the service said, and for the commands.
func TestResult_showsErrorsInFull(t *testing.T) {
	result := &workflows.NightlyCloseResult{
		Pipeline: "nightly-close", Connection: "prod", AsOfDate: "2026-10-31", State: workflows.Failed,
		Steps: []workflows.StepResult{
			{ID: "ledger", Kind: "upload", State: workflows.Failed, StepOutcome: workflows.StepOutcome{Error: "it is missing"}},
			{ID: "extract", Kind: "report", State: workflows.Failed, StepOutcome: workflows.StepOutcome{Error: `given up: report NOPE: HTTP 400 (missing or invalid information): "The report code does not exist."`}},
		},
		Log: []workflows.LogEntry{
			{At: now, By: "ann", What: "extract: decide give_up", Why: "the controller was called at 2:13 and does not need it tonight"},
			{At: now, What: workflows.NotDelivered + " (failed): box: greylisted"},
			{At: now, What: "at risk"},
		},
	}
	lines := Style{}.Result(result, 60)
	for _, line := range lines {
		assert.LessOrEqual(t, Width(line), 60)
	}
	text := strings.Join(lines, "\n")
	assert.Contains(t, text, `
  x extract
    given up: report NOPE: HTTP 400 (missing or invalid
    information): "The report code does not exist."`)
	assert.Equal(t, 1, strings.Count(text, "it is missing"), "what the table has room for is shown once")
	assert.Contains(t, text, "tonight")
	assert.Contains(t, text, "greylisted")
	assert.NotContains(t, text, "at risk")
	assert.NotContains(t, strings.Join(Style{}.Result(result, 0), "\n"), "\n  x extract\n")
}

func TestResult_namesFiles(t *testing.T) {
	file := workflows.FileResult{File: "inbox/gl.csv", FileID: "7", Bytes: 32, Rows: new(int64(1)), SHA256: "ab12"}
	assert.Equal(t, []string{"+ file id 7  succeeded", "  inbox/gl.csv  32 B, 1 row", "  SHA-256 ab12"}, Style{}.Result(&file, 80))
	file.Name, file.Rows = "gl.csv", nil
	assert.Equal(t, "  inbox/gl.csv  32 B, rows not counted", Style{}.Result(&file, 80)[1])
	assert.Equal(t, "+ gl.csv, file id 7  succeeded", Style{}.Result(&file, 80)[0])

	file.Scan = "not scanned: the service has no such call (HTTP 404)"
	assert.Equal(t, "  scan: "+file.Scan, Style{}.Result(&file, 80)[3])
	assert.Equal(t, "file id 7, 32 B, rows not counted, not scanned",
		stepOutcome(workflows.StepResult{StepOutcome: workflows.StepOutcome{Upload: &file}}, clock.UTC))

	folder := workflows.FileResult{File: "inbox/extracts/", Bytes: 4_000_000, Rows: new(int64(1200)), SHA256: "cd34", Files: 12, ListedIn: "reports/sent.jsonl"}
	assert.Equal(t, []string{"+ 12 files of inbox/extracts/  succeeded", "  4.0 MB, 1,200 rows", "  listed in reports/sent.jsonl, SHA-256 cd34"}, Style{}.Result(&folder, 80))
	assert.Equal(t, "12 files, 4.0 MB, 1,200 rows, listed in reports/sent.jsonl", stepOutcome(workflows.StepResult{StepOutcome: workflows.StepOutcome{Upload: &folder}}, clock.UTC))
}

func TestTransfer_showsTheRate(t *testing.T) {
	assert.Equal(t, "12.4 MB", Style{}.transfer(Transfer{Done: 12_400_000}))
	text := Style{}.transfer(Transfer{Done: 12_400_000, Total: 40_000_000, Rate: 2_000_000, Remaining: 14 * time.Second})
	assert.Contains(t, text, "12.4 MB of 40.0 MB, 2.0 MB/s, 14s left")
}

func TestChanges_listsOnlyNews(t *testing.T) {
	first := texts(Changes(Snapshot{}, runningClose()))
	golden(t, "changes_first", first)
	assert.Empty(t, Changes(runningClose(), runningClose()))

	later := runningClose()
	later.Transfers = map[string]Transfer{"extra": {Done: 13_000_000, Total: 40_000_000}}
	later.Now = now.Add(time.Second)
	assert.Empty(t, Changes(runningClose(), later), "bytes and time are not news")

	later.Status.Steps[2].State = workflows.Succeeded
	later.Status.Steps[2].Detail = "file id 5027"
	later.Notes = []string{"No worker answers."}
	later.Status.Log = []workflows.LogEntry{{What: "succeeded"}, {What: "allocate: restart", By: "ann", Why: "space"}}
	assert.Equal(t, []string{
		"note: No worker answers.",
		"extra            succeeded  file id 5027",
		"allocate: restart, by ann: space",
	}, texts(Changes(runningClose(), later)))
	assert.Empty(t, Changes(later, later))

	further := runningClose()
	child := further.Children["alloc"]
	child.Summary = "ongoing, 3 of 4 tasks done"
	further.Children["alloc"] = child
	assert.Equal(t, []string{"allocate         running    ongoing, 3 of 4 tasks done"}, texts(Changes(runningClose(), further)))
}

func TestLive_showsWhatFollowsARunThatEnded(t *testing.T) {
	j := runningClose()
	child := j.Children["alloc"]
	child.StatusCode, child.Summary = "-1", "ended as Failure at ALLOCATE; restart 1 of 2 in 1m0s"
	j.Children["alloc"] = child
	assert.Contains(t, strings.Join(Style{}.Live(j, 120, 30), "\n"), "restart 1 of 2 in 1m0s")
}

// A batch or a group that waits for an operator is shown as waiting, whether its close has heard of it or not, and also
// where another close has started it.
func TestLive_showsThatABatchWaits(t *testing.T) {
	for name, state := range map[string][2]workflows.State{ // of the step, and of the batch's workflow
		"the close has heard of it":     {workflows.Waiting, workflows.Waiting},
		"the close has not heard of it": {workflows.Running, workflows.Waiting},
		"the workflow is not known":     {workflows.Waiting, ""},
	} {
		for _, id := range []string{"allocate", "profit"} {
			t.Run(name+", "+id, func(t *testing.T) {
				j := runningClose()
				step := &j.Status.Steps[slices.IndexFunc(j.Status.Steps, func(s workflows.StepStatus) bool { return s.ID == id })]
				child := j.Children[step.WorkflowID]
				step.State, child.State = state[0], state[1]
				step.Detail = "it failed (started by carol on Sun 2026-11-01 01:47 EDT elsewhere)"
				j.Children[step.WorkflowID] = child
				if child.State == "" {
					delete(j.Children, step.WorkflowID)
				}
				lines := Style{}.Live(j, 120, 30)
				assert.True(t, slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  ! "+id) }), "%s", strings.Join(lines, "\n"))
			})
		}
	}
}

func TestQuestions_haveCommandsToCopy(t *testing.T) {
	assert.Equal(t, []Question{{
		Subject: "allocate", Why: "PBSM_ALLOC_7_1 ended as Failure at ALLOCATE",
		Commands: []string{
			`starter close restart close/prod/nightly-close/2026-10-31 --step allocate --reason "..."`,
			`starter close decide close/prod/nightly-close/2026-10-31 --step allocate --choice adopt --run-id RUN_ID --reason "..."`,
		},
		times: clock.In("America/New_York"),
	}}, Questions(waitingClose()))
	assert.Equal(t, []string{`starter batch interrupt batch/prod/PBSM_PROFIT_GRP/2026-10-31 --reason "..."`}, Questions(waitingBatch())[0].Commands)
	assert.Empty(t, Questions(runningClose()))
}

func TestWidthAndClip(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
	}{
		{"", 0}, {"abc", 3}, {"Zürich", 6}, {"e\u0301", 1}, {"東京", 4}, {"\x1b[31mred\x1b[0m", 3}, {"✓", 1},
	} {
		assert.Equal(t, test.width, Width(test.text), "%q", test.text)
	}
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"abcdef", 1, "…"}, {"abcdef", 0, "abcdef"},
		{"東京都", 5, "東京…"}, {"東京都", 4, "東…"},
		{"\x1b[31mabcdef\x1b[0m", 4, "\x1b[31mabc…\x1b[0m"},
	} {
		assert.Equal(t, test.want, Clip(test.text, test.n), "%q to %d", test.text, test.n)
	}
}

func TestDurationCountAndBytes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 31 * time.Second: "31s", 59*time.Second + 600*time.Millisecond: "1m00s",
		4*time.Minute + 12*time.Second: "4m12s", 2*time.Hour + 5*time.Minute: "2h05m", 26 * time.Hour: "26h00m",
	} {
		assert.Equal(t, want, Duration(d))
	}
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 250000: "250,000", 12345678: "12,345,678", -1234: "-1,234"} {
		assert.Equal(t, want, Count(n))
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 15_512_345: "15.5 MB", 999_960: "1.0 MB", 9_000_000_000_000: "9.0 TB"} {
		assert.Equal(t, want, Bytes(n))
	}
}

func TestLive_removesControlCharacters(t *testing.T) {
	j := runningClose()
	j.Status.Summary = "bad \x1b[2J\x07\r\nnews"
	j.Status.Steps[0].Detail = "x\x1b]0;title\x07y"
	text := strings.Join(Style{}.Live(j, 100, 30), "\n")
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "\x07")
}

func TestScreen_drawsOverItself(t *testing.T) {
	var out bytes.Buffer
	width, height := 20, 5
	s := NewScreen(&out, func() (int, int) { return width, height })
	require.NoError(t, s.Draw([]string{"one", "two"}))
	assert.Equal(t, "\rone\x1b[K\r\ntwo\x1b[K\r\n\x1b[J", out.String())

	out.Reset()
	require.NoError(t, s.Draw([]string{strings.Repeat("x", 30), "2", "3", "4", "5"}))
	text := out.String()
	assert.True(t, strings.HasPrefix(text, "\r\x1b[2A"), "%q", text)
	assert.Contains(t, text, strings.Repeat("x", 30), "a long line continues in the next row")
	assert.Contains(t, text, "2\x1b[K\r\n…\x1b[K\r\n\x1b[J", "two rows, one, and the cut: the last row stays free")

	out.Reset()
	width = 10 // the first line takes three rows now
	require.NoError(t, s.Clear())
	assert.Equal(t, "\r\x1b[5A\x1b[J", out.String())

	out.Reset()
	require.NoError(t, s.Draw([]string{"1", "2", "3", "4"}))
	assert.Contains(t, out.String(), "4\x1b[K", "what fits is not cut")
}

func texts(changes []Change) (all []string) {
	for _, change := range changes {
		all = append(all, change.Text)
	}
	return all
}

// Who begins to follow late sees when things happened, not when they were shown.
func TestChanges_haveTheirTimes(t *testing.T) {
	j := Snapshot{Now: now, Status: workflows.Status{
		Type: workflows.NightlyCloseType, Subject: "nightly", State: workflows.Running, ChangedAt: start.Add(time.Minute),
		Steps: []workflows.StepStatus{
			{ID: "ledger", State: workflows.Succeeded, StartedAt: start, EndedAt: start.Add(30 * time.Second)},
			{ID: "sign-off", State: workflows.Waiting, StartedAt: start, Question: &workflows.Question{Since: start.Add(2 * time.Minute)}},
			{ID: "allocate", State: workflows.Running, StartedAt: start.Add(time.Second)},
		},
		Log: []workflows.LogEntry{{At: start.Add(10 * time.Second), By: "ann", What: "ledger: decide retry"}},
	}, Notes: []string{"allocate is being retried"}}
	var got []string
	for _, change := range Changes(Snapshot{}, j) {
		at := "now"
		if !change.At.IsZero() {
			at = change.At.Sub(start).String()
		}
		got = append(got, at+" "+strings.Fields(change.Text)[0])
	}
	assert.Equal(t, []string{"1s allocate", "10s ledger:", "30s ledger", "1m0s nightly", "2m0s sign-off", "now note:"}, got)
}

func TestBatchOutcome_namesFailedTasks(t *testing.T) {
	batch := workflows.RunBatchResult{Status: "SUCCESSFUL", RunID: "R1", FailedTasks: []workflows.Task{{Code: "T2", StatusCode: "-1"}}}
	assert.Equal(t, "SUCCESSFUL, but the service lists T2 as Failure  R1", batchOutcome(&batch))
}
