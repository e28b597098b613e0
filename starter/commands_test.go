package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// outcome is what a command line led to: what was to be started, and what was written.
type outcome struct {
	input          workflows.Input // to be started
	following      following
	code           int
	stdout, stderr string
}

// terminalOf is a terminal of so many columns; 0 is none.
func terminalOf(width int, stdout, stderr io.Writer) *terminal {
	return &terminal{stdout: stdout, stderr: stderr, size: func() (int, int) { return width, 24 }}
}

// invoke runs a command line up to the point where Temporal would be needed.
func invoke(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	var got outcome
	a := &app{terminal: terminalOf(0, &stdout, &stderr)}
	a.launch = func(_ context.Context, in workflows.Input, f following) error {
		got.input, got.following = in, f
		return nil
	}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if err := root.ExecuteContext(context.Background()); err != nil {
		got.code = a.report(asProblem(err))
	}
	got.stdout, got.stderr = stdout.String(), stderr.String()
	return got
}

const definitionText = `
name: my-close
steps:
  - id: ledger
    upload: {file: "inbox/gl_{{.AsOfDate}}.csv"}
`

func writeDefinition(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestCloseByName(t *testing.T) {
	got := invoke(t, "close", "-c", "prod", "-p", "nightly-close", "--as-of", "2026-10-31", "--by", "ann", "--detach")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", StartedBy: "ann"}, got.input)
	assert.Equal(t, following{detach: true, by: "ann"}, got.following)
}

func TestCloseWithADefinition(t *testing.T) {
	file := writeDefinition(t, "any.yaml", definitionText)
	got := invoke(t, "close", "-c", "prod", "-p", file, "--as-of", "2026-10-31")
	require.Zero(t, got.code, got.stderr)
	in := got.input.(workflows.NightlyCloseInput)
	var text string
	require.NoError(t, json.Unmarshal(in.Definition, &text))
	assert.Equal(t, definitionText, text)
	assert.Equal(t, "close/prod/my-close/2026-10-31", in.WorkflowID(), "the name is the definition's, not the file's")

	object := `{"name": "my-close", "steps": [{"id": "a", "upload": {"file": "inbox/a.csv"}}]}`
	got = invoke(t, "close", "-c", "prod", "-p", writeDefinition(t, "x.json", object), "--as-of", "2026-10-31")
	require.Zero(t, got.code, got.stderr)
	assert.JSONEq(t, object, string(got.input.(workflows.NightlyCloseInput).Definition))

	t.Chdir(filepath.Dir(file))
	require.NoError(t, os.Rename(file, "nightly"))
	got = invoke(t, "close", "-c", "prod", "-p", "nightly", "--as-of", "2026-10-31")
	require.Zero(t, got.code, got.stderr)
	assert.NotEmpty(t, got.input.(workflows.NightlyCloseInput).Definition, "a file is a file whatever its name")
}

func TestCloseNamesEveryFaultAtOnce(t *testing.T) {
	got := invoke(t, "close")
	assert.Equal(t, exitUsage, got.code)
	for _, want := range []string{"connection: is missing", "pipeline: is missing", "as_of_date: is missing"} {
		assert.Contains(t, got.stderr, want)
	}
	got = invoke(t, "close", "-c", "prod", "-p", "gone.yaml", "--as-of", "2026-10-31")
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.stderr, "gone.yaml")

	bad := writeDefinition(t, "bad.yaml", "name: x\nsteps:\n  - id: a\n    uplod: {}\n  - id: a\n")
	got = invoke(t, "close", "-c", "prod", "-p", bad, "--as-of", "2026-10-31", "-o", "json")
	assert.Equal(t, exitUsage, got.code)
	var document errorDocument
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &document), got.stdout)
	assert.GreaterOrEqual(t, len(document.Faults), 2)
	assert.Contains(t, strings.Join(document.Faults, "\n"), "line 4")
	assert.Nil(t, got.input, "nothing is started")
}

func TestBatchRun(t *testing.T) {
	got := invoke(t, "batch", "run", "--connection", "prod", "--code", "GRP", "--group", "--member", "A", "--member", "B", "--as-of", "2026-10-31",
		"--param", "X=1=2,3", "--key", "second", "--restarts", "2", "--restart-delay", "90s", "--deadline", "2h", "--run-id", "GRP_1_1", "--by", "ann")
	require.Zero(t, got.code, got.stderr)
	in := got.input.(workflows.RunBatchInput)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), in.Deadline, time.Minute)
	in.Deadline = time.Time{}
	assert.Equal(t, workflows.RunBatchInput{
		Connection: "prod", Code: "GRP", Group: true, AsOfDate: "2026-10-31", Key: "second", Params: map[string]string{"X": "1=2,3"},
		Batches: []workflows.GroupBatch{{Code: "A"}, {Code: "B"}}, Restarts: 2, RestartDelay: "1m30s", RunID: "GRP_1_1", StartedBy: "ann",
	}, in)

	got = invoke(t, "batch", "run", "-c", "prod", "--code", "A", "--as-of", "2026-10-31", "--again", "rates")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "rates", got.input.(workflows.RunBatchInput).Again)
}

func TestBatchRunRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"nothing given":         {nil, []string{"connection: is missing", "code: is missing", "as_of_date: is missing"}},
		"group without members": {[]string{"--group"}, []string{"batches: is missing"}},
		"bad params":            {[]string{"--param", "x", "--param", "A=1", "--param", "A=2"}, []string{`"x" is not KEY=VALUE`, "A is given twice"}},
		"deadline in the past":  {[]string{"--deadline", "2020-01-01T00:00:00Z"}, []string{"is over"}},
		"no deadline":           {[]string{"--deadline", "soon"}, []string{"--deadline", "soon"}},
		"unknown flag":          {[]string{"--as-off", "x"}, []string{"unknown flag: --as-off", "--help"}},
		"unknown output":        {[]string{"-o", "xml"}, []string{"neither text nor json"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := invoke(t, append([]string{"batch", "run"}, test.args...)...)
			assert.Equal(t, exitUsage, got.code)
			assert.Nil(t, got.input)
			for _, want := range test.want {
				assert.Contains(t, got.stderr, want)
			}
		})
	}
}

func TestAWordThatIsAlmostACommandIsKnown(t *testing.T) {
	got := invoke(t, "statsu", "close/a")
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.stderr, "Did you mean: starter status")
	assert.Contains(t, invoke(t, "close", "interupt", "close/a").stderr, "Did you mean: starter close interrupt")
}

func TestCtrlCIsNoFailure(t *testing.T) {
	cfg := writeDefinition(t, "pbsm.yaml", `connections: {prod: {base_url: "https://localhost:1/t", token_url: "https://localhost:1/oauth2/v1/token", tenant_id: t, service_id: s, workspace_id: w, remote_user: u, client_id: c, client_secret: x, username: u, password: p}}`)
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"inbox"}, {"doctor"}, {"file", "list"}} {
		var stdout, stderr bytes.Buffer
		code := run(ctx, terminalOf(0, &stdout, &stderr), append(args, "--config", cfg))
		assert.Equal(t, exitInterrupted, code, "%v: %s", args, stderr.String())
	}
}

// What is printed to be copied has the flags without which it would do something else.
func TestCommandsToCopyHaveTheFlagsThatWereGiven(t *testing.T) {
	var stdout, stderr bytes.Buffer
	a := &app{terminal: terminalOf(0, &stdout, &stderr)}
	root := newRoot(a)
	wants := &problem{code: exitWaiting, message: "stop", next: []string{"Come back: starter status close/a --follow, or starter inbox"}}
	a.launch = func(context.Context, workflows.Input, following) error {
		a.print("Follow it: starter status batch/b")
		return wants
	}
	root.SetArgs([]string{"close", "-c", "prod", "-p", "nightly-close", "--as-of", "2026-10-31", "--config", "my night/it's.yaml", "--task-queue", "second"})
	a.report(asProblem(root.Execute()))
	const given = `starter --config 'my night/it'\''s.yaml' --task-queue second`
	assert.Equal(t, "Follow it: "+given+" status batch/b\n", stdout.String())
	assert.Contains(t, stderr.String(), "Come back: "+given+" status close/a --follow, or "+given+" inbox\n")
	asks := a.asks(view.Job{ID: "batch/b", Status: workflows.Status{Type: workflows.RunBatchType, Question: &workflows.Question{Choices: []string{"restart"}}}})
	assert.Equal(t, []string{given + ` batch restart batch/b --reason "..."`}, asks[0].Commands)

	got := invoke(t, "--config", "x.yaml", "--task-queue", "second", "pipeline", "check", writeDefinition(t, "a.yaml", definitionText))
	assert.Zero(t, got.code, "they may stand before the command: %s", got.stderr)
}

func TestOtherJobs(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		input any
	}{
		"report": {
			[]string{"report", "-c", "prod", "--code", "RPT001", "--save-to", "reports/a/b.csv", "--filter", "F"},
			workflows.GenerateReportInput{Connection: "prod", Code: "RPT001", Type: "CSV", SaveTo: "reports/a/b.csv", Filter: "F"},
		},
		"upload": {
			[]string{"file", "upload", "inbox/sub/gl.csv", "-c", "prod", "--prefix", "p"},
			workflows.UploadFileInput{Connection: "prod", File: "inbox/sub/gl.csv", Prefix: "p"},
		},
		"upload of a name that a shell would take apart": {
			[]string{"file", "upload", "inbox/gl (1) $x;y.csv", "-c", "prod"},
			workflows.UploadFileInput{Connection: "prod", File: "inbox/gl (1) $x;y.csv"},
		},
		"download": {
			[]string{"file", "download", "-c", "prod", "--file-id", "5025", "--save-to", "reports/gl.csv"},
			workflows.DownloadFileInput{Connection: "prod", FileID: "5025", SaveTo: "reports/gl.csv"},
		},
		"export": {
			[]string{"migrate", "export", "MIG", "-c", "prod"},
			workflows.MigrateInput{Connection: "prod", Direction: workflows.Export, Code: "MIG"},
		},
		"import": {
			[]string{"migrate", "import", "MIG", "-c", "prod"},
			workflows.MigrateInput{Connection: "prod", Direction: workflows.Import, Code: "MIG"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := invoke(t, test.args...)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, test.input, got.input)
		})
	}
}

// What a script gives for a variable that is not set does not turn a command into another.
func TestAFlagThatMustNotBeEmptyIsRefused(t *testing.T) {
	run := []string{"batch", "run", "-c", "prod", "--code", "A", "--as-of", "2026-10-31"}
	answer := []string{"close", "decide", "close/prod/nightly-close/2026-10-31", "--choice", "skip"}
	for flag, args := range map[string][]string{
		"run-id": run, "again": run, "key": run, "include-task": run, "exclude-task": run, "hold-task": run, "step": answer,
		"sha256": {"audit", "verify", "audit.jsonl"},
	} {
		got := invoke(t, append(slices.Clone(args), "--"+flag, "")...)
		assert.Equal(t, exitUsage, got.code, flag)
		assert.Contains(t, got.stderr, "--"+flag+" is empty", flag)
		assert.Nil(t, got.input, "nothing is started")
	}
}

func TestDecideIsCheckedBeforeItIsSent(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1") // nobody tells what applies
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "--choice is missing: one of adopt"},
		{[]string{"--choice", "foo"}, `--choice "foo" is unknown: one of adopt, nothing_started, retry, skip, give_up`},
		{[]string{"--choice", "adopt"}, "--run-id"},
		{[]string{"--choice", "retry", "--run-id", "x"}, "belongs to --choice adopt"},
	} {
		got := invoke(t, append([]string{"batch", "decide", "ID"}, test.args...)...)
		assert.Equal(t, exitUsage, got.code)
		assert.Contains(t, got.stderr, test.want)
	}
}

func TestTheDecisionsThatAJobTakes(t *testing.T) {
	ask := func(choices ...string) *workflows.Question { return &workflows.Question{Choices: choices} }
	night := workflows.Status{
		Question: ask("decide retry", "decide skip"),
		Steps:    []workflows.StepStatus{{ID: "a", Question: ask("decide retry", "decide skip")}, {ID: "b"}, {ID: "c", Question: ask("restart", "decide retry", "decide adopt")}},
	}
	for _, test := range []struct {
		status     workflows.Status
		step, want string
	}{
		{night, "", "step a takes retry, skip; step c takes retry, adopt"},
		{night, "c", "step c takes retry, adopt"},
		{night, "b", `no step "b" waits for a decision now`},
		{night, "x", `no step "x" waits for a decision now`},
		{workflows.Status{Question: ask("rerun", "decide give_up")}, "", "it takes give_up"},
		{workflows.Status{}, "", "nothing waits for a decision now"},
	} {
		assert.Equal(t, test.want, decisions(test.status, test.step))
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"close", "nonsense"}, {"batch", "runn"}, {"batch", "status"}, {"batch", "status", "a", "b"},
		{"file", "upload"}, {"migrate", "export"}, {"pipeline", "check"}, {"report", "x"}, {"demo", "x"},
	} {
		got := invoke(t, args...)
		assert.Equal(t, exitUsage, got.code, args)
		assert.Contains(t, got.stderr, "--help", args)
	}
	assert.Contains(t, invoke(t, "batch", "runn").stderr, "run")
}

func TestPipelineCheck(t *testing.T) {
	file := writeDefinition(t, "x.yaml", definitionText)
	got := invoke(t, "pipeline", "check", file, "--as-of", "2026-10-31")
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stdout, "file: inbox/gl_2026-10-31.csv")
	assert.Contains(t, got.stdout, "name: gl_2026-10-31.csv")

	got = invoke(t, "pipeline", "check", file, "-o", "json")
	require.Zero(t, got.code, got.stderr)
	var document struct {
		Valid    bool
		Pipeline struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &document))
	assert.True(t, document.Valid)
	assert.Equal(t, "my-close", document.Pipeline.Name)

	got = invoke(t, "pipeline", "check", writeDefinition(t, "y.yaml", "name: x\nsteps:\n  - id: a\n    batch: {cod: X}\n"))
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.stderr, "line 4")
	assert.Equal(t, exitUsage, invoke(t, "pipeline", "check", file, "--as-of", "31.10.2026").code)
}

// The schemas are in the program, so that an editor has them where there is no repository.
func TestSchema(t *testing.T) {
	for name, key := range map[string]string{"config": "connections", "pipeline": "steps"} {
		got := invoke(t, "schema", name)
		require.Zero(t, got.code, got.stderr)
		var schema struct {
			Schema     string         `json:"$schema"`
			Properties map[string]any `json:"properties"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.stdout), &schema))
		assert.Equal(t, "https://json-schema.org/draft/2020-12/schema", schema.Schema)
		assert.Contains(t, schema.Properties, key)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.FixedZone("here", -4*3600))
	for text, want := range map[string]string{
		"":                          "",
		"05:00":                     "2026-11-01T05:00:00-04:00",
		"23:30":                     "2026-10-31T23:30:00-04:00",
		"90m":                       "2026-10-31T23:30:00-04:00",
		"2026-11-02T01:00:00-04:00": "2026-11-02T01:00:00-04:00",
	} {
		at, err := moment("deadline", text, now)
		require.NoError(t, err, text)
		if want == "" {
			assert.True(t, at.IsZero())
		} else {
			assert.Equal(t, want, at.Format(time.RFC3339), text)
		}
	}
}

// everyCommand visits the tree.
func everyCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		if sub.Name() != "help" && sub.Name() != "completion" {
			everyCommand(sub, visit)
		}
	}
}

// Help is read in windows of every width, half a screen among them.
func TestHelpFitsTheTerminal(t *testing.T) {
	const width = 80
	var out bytes.Buffer
	root := newRoot(&app{terminal: terminalOf(width, &out, &out)})
	root.SetOut(&out)
	everyCommand(root, func(c *cobra.Command) {
		out.Reset()
		require.NoError(t, c.Help())
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, view.Width(line), width, "%s: %s", c.CommandPath(), line)
		}
	})
}

func TestEveryCommandIsExplainedByExamplesThatParse(t *testing.T) {
	root := newRoot(&app{terminal: terminalOf(0, io.Discard, io.Discard)})
	seen := map[string]bool{}
	everyCommand(root, func(c *cobra.Command) {
		assert.False(t, seen[c.CommandPath()], "%s stands twice", c.CommandPath())
		seen[c.CommandPath()] = true
		assert.NotEmpty(t, c.Short, c.CommandPath())
		assert.NotEmpty(t, c.Example, c.CommandPath())
		for line := range strings.Lines(c.Example) {
			_, command, ok := strings.Cut(line, "starter ")
			if !ok {
				assert.Contains(t, line, "make", c.CommandPath())
				continue
			}
			found, rest, err := newRoot(&app{terminal: terminalOf(0, io.Discard, io.Discard)}).Find(words(command))
			require.NoError(t, err, line)
			assert.NoError(t, found.ParseFlags(rest), line)
			assert.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
		}
	})
}

var word = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)

func words(line string) []string {
	all := word.FindAllString(line, -1)
	for i := range all {
		all[i] = strings.Trim(all[i], `"'`)
	}
	return all
}
