package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/tests/example"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// block is a fenced block of a page and the nearest heading above it.
type block struct {
	heading, language, text string
}

func page(t *testing.T, file string) (text string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	heading, open := "", (*block)(nil)
	for line := range strings.Lines(string(content)) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{heading: heading, language: fence}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	require.Nil(t, open, "a fence is not closed")
	return string(content), blocks
}

func inLanguage(blocks []block, language string) []block {
	var found []block
	for _, b := range blocks {
		if b.language == language {
			found = append(found, b)
		}
	}
	return found
}

func TestPagesShowTheExample(t *testing.T) {
	t.Parallel()
	_, blocks := page(t, "../docs/starting.md")
	source, err := os.ReadFile("example/month_end.go")
	require.NoError(t, err)
	shown := inLanguage(blocks, "go")
	require.Len(t, shown, 1)
	require.Equal(t, string(source), shown[0].text, "docs/starting.md and tests/example/month_end.go")
}

// inputs are what the JSON on the pages is decoded into, by the workflow that takes it.
var inputs = map[string]func() any{
	workflows.NightlyCloseType:   func() any { return new(workflows.NightlyCloseInput) },
	workflows.RunBatchType:       func() any { return new(workflows.RunBatchInput) },
	workflows.GenerateReportType: func() any { return new(workflows.GenerateReportInput) },
	workflows.UploadFileType:     func() any { return new(workflows.UploadFileInput) },
	workflows.DownloadFileType:   func() any { return new(workflows.DownloadFileInput) },
	workflows.MigrateType:        func() any { return new(workflows.MigrateInput) },
}

// decodeInput decodes strictly, and wants no fault.
func decodeInput(t *testing.T, input any, text string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(input), "%s", text)
	if checked, ok := input.(interface{ Validate() error }); ok {
		require.NoError(t, checked.Validate(), "%s", text)
	}
}

// inputRow matches a row of the table in docs/starting.md: a workflow type, and its minimal input.
var inputRow = regexp.MustCompile("(?m)^\\| `([A-Z][A-Za-z]+)` \\| `({.*})` \\|$")

// Every JSON input decodes into the type of its workflow and has no fault. Under the heading of a
// workflow that has an id of its own, the page names the id of the first one.
func TestInputsOnPagesAreValid(t *testing.T) {
	t.Parallel()
	text, blocks := page(t, "../docs/starting.md")
	rows := inputRow.FindAllStringSubmatch(text, -1)
	require.Len(t, rows, len(inputs))
	for _, row := range rows {
		require.Contains(t, inputs, row[1])
		decodeInput(t, inputs[row[1]](), row[2])
	}

	shown := map[string]int{}
	for _, b := range inLanguage(blocks, "json") {
		require.Contains(t, inputs, b.heading, "JSON under a heading that names no input:\n%s", b.text)
		input := inputs[b.heading]()
		decodeInput(t, input, b.text)
		if in, ok := input.(interface{ WorkflowID() string }); ok && shown[b.heading] == 0 {
			require.Contains(t, text, "`"+in.WorkflowID()+"`")
		}
		shown[b.heading]++
	}
	require.Len(t, shown, len(inputs), "each workflow has JSON to paste")

	_, blocks = page(t, "../docs/commands.md")
	words := inLanguage(blocks, "json")
	require.Len(t, words, 2)
	for _, b := range words {
		decodeInput(t, new(workflows.Command), b.text)
	}
}

// The pipelines and the parts of pbsm.yaml on the pages have no fault. The steps alone, which
// docs/pipelines.md has too, are tried where that page is made.
func TestDefinitionsOnPagesAreValid(t *testing.T) {
	t.Parallel()
	tried := map[string]int{}
	for _, file := range pages(t) {
		_, blocks := page(t, file)
		for _, b := range inLanguage(blocks, "yaml") {
			key, _, _ := strings.Cut(b.text, ":")
			tried[key]++
			switch key {
			case "name":
				p, err := pipeline.Parse([]byte(b.text))
				require.NoError(t, err, "%s", b.text)
				require.NoError(t, p.Validate(), "%s", b.text)
			case "calendars":
				_, err := config.LoadSchedules(besideConnection(t, b.text), nil)
				require.NoError(t, err, "%s", b.text)
			case "notifications":
				_, err := config.Load(besideConnection(t, b.text), []string{
					"PBSM_NOTIFICATIONS__NIGHT_SHIFT__URL=https://hooks.example.com/x", "PBSM_NOTIFICATIONS__CONTROLLERS__URL=smtp://u:p@mail.example.com",
				})
				require.NoError(t, err, "%s", b.text)
			}
		}
	}
	for key, least := range map[string]int{"name": 2, "calendars": 1, "notifications": 1} {
		require.GreaterOrEqual(t, tried[key], least, "%s: on the pages", key)
	}
}

// pages are README.md and those in docs.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	return append(files, "../README.md")
}

// besideConnection is a configuration with a connection prod and more.
func besideConnection(t *testing.T, more string) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pbsm.yaml"), []byte(`connections:
  prod: {base_url: "https://h.example/t", token_url: "https://i.example/oauth2/v1/token", tenant_id: t, service_id: s, remote_user: u, client_id: c, client_secret: x, username: u, password: p}
`+more), 0o600))
	return filepath.Join(folder, "pbsm.yaml")
}

var command = regexp.MustCompile("(?m)bin/starter ([^`\n;]*)")

// Every command that README.md and the pages in docs show is one that the starter has, with flags that it knows.
func TestCommandsOnPagesExist(t *testing.T) {
	t.Parallel()
	all := ""
	for _, file := range pages(t) {
		text, _ := page(t, file)
		all += text
	}
	e := harness.New(t, harness.Options{NoWorker: true})
	shown := command.FindAllStringSubmatch(all, -1)
	require.NotEmpty(t, shown)
	for _, match := range shown {
		args := regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(match[1], -1)
		if len(args) == 0 || strings.HasPrefix(args[0], "`") {
			continue
		}
		result := e.Run(append(args, "--help")...)
		require.Zero(t, result.Code, "starter %s\n%s", match[1], result)
	}
}

// The example of docs/starting.md runs: its workflow starts a close as a child and steers it.
func TestExampleRuns(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{TaskQueue: workflows.TaskQueue})
	e.Write(e.Pipelines, "good.yaml", "name: good\nsteps:\n  - id: allocate\n    batch: {code: PBSM_QUICK}\n  - id: sign-off\n    needs: [allocate]\n    approve: {message: Are the books good}\n")
	e.Write(e.Pipelines, "bad.yaml", "name: bad\nsteps:\n  - id: allocate\n    batch: {code: PBSM_HANG}\n")
	w := worker.New(e.Temporal, "month-end", worker.Options{})
	w.RegisterWorkflow(example.MonthEnd)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	start := func(pipeline string) client.WorkflowRun {
		run, err := e.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "month-end/" + pipeline, TaskQueue: "month-end"},
			example.MonthEnd, example.MonthEndInput{Connection: e.Connection, Pipeline: pipeline, AsOfDate: harness.AsOf})
		require.NoError(t, err)
		return run
	}
	tell := func(run client.WorkflowRun, books example.Books) {
		require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), run.GetID(), "", example.BooksSignal, books))
	}

	require.ErrorContains(t, e.Await(start("missing"), nil), "pipelines folder", "a close that ends early ends the month")

	good := start("good")
	e.AwaitState(workflows.CloseWorkflowID(e.Connection, "good", harness.AsOf), workflows.Waiting)
	tell(good, example.Books{Controller: "carla", Good: true})
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(good, &result))
	require.Equal(t, workflows.Succeeded, result.State)

	bad := start("bad")
	id := workflows.CloseWorkflowID(e.Connection, "bad", harness.AsOf)
	batch := workflows.BatchWorkflowID(e.Connection, hangBatch, harness.AsOf, "")
	e.Until("the run goes on", func() bool {
		status, _ := e.Status(batch)
		return status.RunID != "" && status.State == workflows.Running
	})
	tell(bad, example.Books{Controller: "carla", Why: "the rates are wrong"})
	e.AwaitState(id, workflows.Waiting)
	require.Len(t, e.Calls("interrupt", harness.Processed), 1)
	_, err := e.Steer(id, workflows.DecideCommand, workflows.Command{By: "operator", Step: "allocate", Choice: workflows.GiveUp})
	require.NoError(t, err)
	require.ErrorContains(t, e.Await(bad, nil), "allocate failed")
}
