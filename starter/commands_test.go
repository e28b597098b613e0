package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const definitionText = `
name: my-close
steps:
  - id: ledger
    upload: {file: "inbox/gl_{{.AsOfDate}}.csv"}
`

func TestClose_byName(t *testing.T) {
	got := clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", "nightly-close", "--as-of", "2026-10-31", "--by", "ann", "--detach")
	require.Zero(t, got.Code, got.Stderr)
	assert.Equal(t, workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", StartedBy: "ann"}, got.Input)
	assert.Equal(t, cli.StartOptions{Detach: true, By: "ann"}, got.Options)
}

func TestClose_withADefinition(t *testing.T) {
	file := clitest.WriteFile(t, "any.yaml", definitionText)
	got := clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", file, "--as-of", "2026-10-31")
	require.Zero(t, got.Code, got.Stderr)
	in := got.Input.(workflows.NightlyCloseInput)
	var text string
	require.NoError(t, json.Unmarshal(in.Definition, &text))
	assert.Equal(t, definitionText, text)
	assert.Equal(t, "close/prod/my-close/2026-10-31", in.WorkflowID(), "the name is the definition's, not the file's")

	object := `{"name": "my-close", "steps": [{"id": "a", "upload": {"file": "inbox/a.csv"}}]}`
	got = clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", clitest.WriteFile(t, "x.json", object), "--as-of", "2026-10-31")
	require.Zero(t, got.Code, got.Stderr)
	assert.JSONEq(t, object, string(got.Input.(workflows.NightlyCloseInput).Definition))

	t.Chdir(filepath.Dir(file))
	require.NoError(t, os.Rename(file, "nightly"))
	got = clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", "nightly", "--as-of", "2026-10-31")
	require.Zero(t, got.Code, got.Stderr)
	assert.NotEmpty(t, got.Input.(workflows.NightlyCloseInput).Definition, "a file may have any name")
}

func TestClose_reportsEveryProblem(t *testing.T) {
	got := clitest.Invoke(t, newRoot, "close")
	assert.Equal(t, cli.ExitUsage, got.Code)
	for _, want := range []string{"connection: is missing", "pipeline: is missing", "as_of_date: is missing"} {
		assert.Contains(t, got.Stderr, want)
	}
	got = clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", "gone.yaml", "--as-of", "2026-10-31")
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, "gone.yaml")

	bad := clitest.WriteFile(t, "bad.yaml", "name: x\nsteps:\n  - id: a\n    uplod: {}\n  - id: a\n")
	got = clitest.Invoke(t, newRoot, "close", "-c", "prod", "-p", bad, "--as-of", "2026-10-31", "-o", "json")
	assert.Equal(t, cli.ExitUsage, got.Code)
	var document cli.ProblemDocument
	require.NoError(t, json.Unmarshal([]byte(got.Stdout), &document), got.Stdout)
	assert.GreaterOrEqual(t, len(document.Problems), 2)
	assert.Contains(t, strings.Join(document.Problems, "\n"), "line 4")
	assert.Nil(t, got.Input, "nothing is started")
}

func TestBatchRun(t *testing.T) {
	got := clitest.Invoke(t, newRoot, "batch", "run", "--connection", "prod", "--code", "GRP", "--group", "--member", "A", "--member", "B", "--as-of", "2026-10-31",
		"--param", "X=1=2,3", "--key", "second", "--restarts", "2", "--restart-delay", "90s", "--deadline", "2h", "--run-id", "GRP_1_1", "--by", "ann")
	require.Zero(t, got.Code, got.Stderr)
	in := got.Input.(workflows.RunBatchInput)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), in.Deadline, time.Minute)
	in.Deadline = time.Time{}
	assert.Equal(t, workflows.RunBatchInput{
		Connection: "prod", Code: "GRP", Group: true, AsOfDate: "2026-10-31", Key: "second", Params: map[string]string{"X": "1=2,3"},
		Batches: []workflows.GroupBatch{{Code: "A"}, {Code: "B"}}, Restarts: 2, RestartDelay: "1m30s", RunID: "GRP_1_1", StartedBy: "ann",
	}, in)

	got = clitest.Invoke(t, newRoot, "batch", "run", "-c", "prod", "--code", "A", "--as-of", "2026-10-31", "--again", "rates")
	require.Zero(t, got.Code, got.Stderr)
	assert.Equal(t, "rates", got.Input.(workflows.RunBatchInput).Again)
}

func TestBatchRun_refuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"nothing given":        {nil, []string{"connection: is missing", "code: is missing", "as_of_date: is missing"}},
		"bad params of tasks":  {[]string{"--task-param", "A=1", "--task-param", "T:=1"}, []string{`"A=1" is not TASK:KEY=VALUE`, `"T:=1" is not`}},
		"bad params":           {[]string{"--param", "x", "--param", "A=1", "--param", "A=2"}, []string{`"x" is not KEY=VALUE`, "A is given twice"}},
		"deadline in the past": {[]string{"--deadline", "2020-01-01T00:00:00Z"}, []string{"is in the past"}},
		"no deadline":          {[]string{"--deadline", "soon"}, []string{"--deadline", "soon"}},
		"unknown flag":         {[]string{"--as-off", "x"}, []string{"unknown flag: --as-off", "--help"}},
		"unknown output":       {[]string{"-o", "xml"}, []string{"neither text nor json"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Invoke(t, newRoot, append([]string{"batch", "run"}, test.args...)...)
			assert.Equal(t, cli.ExitUsage, got.Code)
			assert.Nil(t, got.Input)
			for _, want := range test.want {
				assert.Contains(t, got.Stderr, want)
			}
		})
	}
}

func TestCommand_suggestsWhatWasMistyped(t *testing.T) {
	got := clitest.Invoke(t, newRoot, "statsu", "close/a")
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, "Did you mean: starter status")
	assert.Contains(t, clitest.Invoke(t, newRoot, "close", "interupt", "close/a").Stderr, "Did you mean: starter close interrupt")
}

// The worker's file says where the workers are, unless the command line does.
func TestTaskQueue_ofTheConfiguration(t *testing.T) {
	cfg := clitest.WriteFile(t, "pbsm.yaml", "connections: {prod: {password: {file: /nowhere}}}\nworker: {task_queue: nights}\n")
	closing := []string{"close", "-c", "prod", "-p", "x", "--as-of", "2026-10-31"}
	for want, args := range map[string][]string{
		"nights": {"--config", cfg}, "other": {"--config", cfg, "--task-queue", "other"}, workflows.TaskQueue: {"--config", cfg + ".gone"},
	} {
		f := clitest.Factory(0)
		f.TaskQueue = ""
		f.Launch = func(context.Context, workflows.Input, cli.StartOptions) error { return nil }
		require.Zero(t, cli.Execute(t.Context(), f, newRoot(f), append(closing, args...)))
		assert.Equal(t, want, f.TaskQueue)
	}
	t.Setenv("PBSM_WORKER__TASK_QUEUE", "variable")
	f := clitest.Factory(0)
	f.Launch = func(context.Context, workflows.Input, cli.StartOptions) error { return nil }
	require.Zero(t, cli.Execute(t.Context(), f, newRoot(f), append(closing, "--config", cfg)))
	assert.Equal(t, "variable", f.TaskQueue)
}

// Every problem begins with the program's name, once, and says what could be meant.
func TestCommand_whatWasMistyped(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"foo"}, "starter: unknown command or argument \"foo\"\nstarter --help\n"},
		{[]string{"statsu"}, "starter: unknown command or argument \"statsu\"\nDid you mean: starter status\nstarter --help\n"},
		{[]string{"close", "statsu"}, "starter: close: unknown command or argument \"statsu\"\nDid you mean: starter close status\nstarter close --help\n"},
		{[]string{"schedule", "lst"}, "starter: schedule: unknown command or argument \"lst\"\nDid you mean: starter schedule list\nstarter schedule --help\n"},
		{[]string{"status"}, "starter: status wants one workflow id, not 0\nstarter status --help\n"},
		{[]string{"batch", "cancel", ""}, "starter: batch cancel wants one workflow id, not an empty text\nstarter batch cancel --help\n"},
		{[]string{"close", "--conection", "x"}, "starter: unknown flag: --conection\nDid you mean: --connection\nstarter close --help\n"},
		{[]string{"batch", "run", "--as-off", "x"}, "starter: unknown flag: --as-off\nDid you mean: --as-of\nstarter batch run --help\n"},
		{[]string{"inbox", "--outptu", "json"}, "starter: unknown flag: --outptu\nDid you mean: --output\nstarter inbox --help\n"},
		{[]string{"inbox", "--json"}, "starter: unknown flag: --json\nDid you mean: --output json\nstarter inbox --help\n"},
		{[]string{"close", "restrat", "x", "--step", "y"}, "starter: close: unknown command or argument \"restrat\"\nDid you mean: starter close restart\nstarter close --help\n"},
		{[]string{"schedule", "pause", "x"}, "starter: schedule pause: required flag(s) \"reason\" not set\nstarter schedule pause --help\n"},
		{[]string{"inbox", "--frobnicate"}, "starter: unknown flag: --frobnicate\nstarter inbox --help\n"},
		{[]string{"inbox", "-x"}, "starter: unknown shorthand flag: 'x' in -x\nstarter inbox --help\n"},
	} {
		got := clitest.Invoke(t, newRoot, test.args...)
		assert.Equal(t, cli.ExitUsage, got.Code)
		assert.Equal(t, test.want, got.Stderr)
	}
}

// What completion needs Temporal for is in tests/e2e/cli.
func TestCompletion(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1") // nothing answers
	cfg := clitest.WriteFile(t, "pbsm.yaml", "connections: {prod: {}, uat: {}}\nworker: {pipelines: nights}\n")
	nights := filepath.Join(filepath.Dir(cfg), "nights")
	require.NoError(t, os.Mkdir(nights, 0o700))
	for _, name := range []string{"nightly-close.yaml", "month-end.json", "README.md"} {
		require.NoError(t, os.WriteFile(filepath.Join(nights, name), nil, 0o600))
	}
	const files, noFiles = "\n:0\n", "\n:4\n"
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"close", "--connection", ""}, "prod\nuat" + noFiles},
		{[]string{"batch", "run", "-c", "u"}, "uat" + noFiles},
		{[]string{"report", "--connection", "x"}, ":4\n"},
		{[]string{"inbox", "--connection", ""}, "prod\nuat" + noFiles},
		{[]string{"schedule", "create", "--connection", "p"}, "prod" + noFiles},
		{[]string{"doctor", "-c", "p"}, "prod" + noFiles},
		{[]string{"close", "--pipeline", ""}, "month-end\nnightly-close" + files},
		{[]string{"schedule", "create", "-p", "n"}, "nightly-close" + files},
		{[]string{"batch", "decide", "x", "--choice", ""}, strings.Join(workflows.ChoiceNames(), "\n") + noFiles},
		{[]string{"close", "restart", "x", "--step", ""}, ":4\n"},
		{[]string{"status", ""}, ":4\n"},
		{[]string{"schedule", "delete", ""}, ":4\n"},
		{[]string{"inbox", "--output", ""}, "text\njson" + noFiles},
	} {
		args := append([]string{"__complete", "--config", cfg}, test.args...)
		got := clitest.Invoke(t, newRoot, args...)
		assert.Equal(t, test.want, got.Stdout, test.args)
	}
}

func TestRun_endsWithCtrlC(t *testing.T) {
	cfg := clitest.WriteFile(t, "pbsm.yaml", `connections: {prod: {base_url: "https://localhost:1/t", token_url: "https://localhost:1/oauth2/v1/token", tenant_id: t, service_id: s, workspace_id: w, remote_user: u, client_id: c, client_secret: x, username: u, password: p}}`)
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"inbox"}, {"doctor"}, {"file", "list"}} {
		var stdout, stderr bytes.Buffer
		code := run(ctx, &cli.Factory{Terminal: clitest.Terminal(0, &stdout, &stderr)}, append(args, "--config", cfg))
		assert.Equal(t, cli.ExitInterrupted, code, "%v: %s", args, stderr.String())
	}
}

func TestReportFileAndMigrate_inputs(t *testing.T) {
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
		"upload of a name that a shell would split": {
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
			got := clitest.Invoke(t, newRoot, test.args...)
			require.Zero(t, got.Code, got.Stderr)
			assert.Equal(t, test.input, got.Input)
		})
	}
}

// An unset variable of a script must not turn a command into another one.
func TestFlags_refuseEmptyValues(t *testing.T) {
	run := []string{"batch", "run", "-c", "prod", "--code", "A", "--as-of", "2026-10-31"}
	answer := []string{"close", "decide", "close/prod/nightly-close/2026-10-31", "--choice", "skip"}
	for flag, args := range map[string][]string{
		"run-id": run, "again": run, "key": run, "include-task": run, "exclude-task": run, "hold-task": run, "step": answer,
		"seal": {"audit", "verify", "audit.jsonl"},
	} {
		got := clitest.Invoke(t, newRoot, append(slices.Clone(args), "--"+flag, "")...)
		assert.Equal(t, cli.ExitUsage, got.Code, flag)
		assert.Contains(t, got.Stderr, "--"+flag+" is empty", flag)
		assert.Nil(t, got.Input, "nothing is started")
	}
}

func TestDecide_checksItsFlags(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1") // nothing answers
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--reason", ""}, "--reason is missing"},
		{[]string{"--reason", "..."}, `--reason "..." is the placeholder`},
		{[]string{"--by", " "}, "--by is missing"},
		{nil, "--choice is missing: one of adopt"},
		{[]string{"--choice", "foo"}, `--choice "foo" is unknown: one of adopt, nothing_started, retry, skip, again, keep, give_up`},
		{[]string{"--choice", "adopt"}, "--run-id"},
		{[]string{"--choice", "retry", "--run-id", "x"}, "belongs to --choice adopt"},
	} {
		got := clitest.Invoke(t, newRoot, append([]string{"batch", "decide", "ID", "--reason", "seen"}, test.args...)...)
		assert.Equal(t, cli.ExitUsage, got.Code)
		assert.Contains(t, got.Stderr, test.want)
	}
}

func TestArguments_areChecked(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"close", "nonsense"}, {"batch", "runn"}, {"batch", "status"}, {"batch", "status", "a", "b"},
		{"file", "upload"}, {"migrate", "export"}, {"pipeline", "check"}, {"report", "x"}, {"demo", "x"},
	} {
		got := clitest.Invoke(t, newRoot, args...)
		assert.Equal(t, cli.ExitUsage, got.Code, args)
		assert.Contains(t, got.Stderr, "--help", args)
	}
	assert.Contains(t, clitest.Invoke(t, newRoot, "batch", "runn").Stderr, "run")
}

func TestPipelineCheck(t *testing.T) {
	file := clitest.WriteFile(t, "x.yaml", definitionText)
	got := clitest.Invoke(t, newRoot, "pipeline", "check", file, "--as-of", "2026-10-31")
	require.Zero(t, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "file: inbox/gl_2026-10-31.csv")
	assert.Contains(t, got.Stdout, "name: gl_2026-10-31.csv")

	got = clitest.Invoke(t, newRoot, "pipeline", "check", file, "-o", "json")
	require.Zero(t, got.Code, got.Stderr)
	var document struct {
		Valid    bool
		Pipeline struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(got.Stdout), &document))
	assert.True(t, document.Valid)
	assert.Equal(t, "my-close", document.Pipeline.Name)

	got = clitest.Invoke(t, newRoot, "pipeline", "check", clitest.WriteFile(t, "y.yaml", "name: x\nsteps:\n  - id: a\n    batch: {cod: X}\n"))
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, "line 4")
	assert.Equal(t, cli.ExitUsage, clitest.Invoke(t, newRoot, "pipeline", "check", file, "--as-of", "31.10.2026").Code)
}

// The schemas are in the program, so that an editor has them without the repository.
func TestSchema(t *testing.T) {
	for name, key := range map[string]string{"config": "connections", "pipeline": "steps"} {
		got := clitest.Invoke(t, newRoot, "schema", name)
		require.Zero(t, got.Code, got.Stderr)
		var schema struct {
			Schema     string         `json:"$schema"`
			Properties map[string]any `json:"properties"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.Stdout), &schema))
		assert.Equal(t, "https://json-schema.org/draft/2020-12/schema", schema.Schema)
		assert.Contains(t, schema.Properties, key)
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

func TestHelp_fits80Columns(t *testing.T) {
	const width = 80
	var out bytes.Buffer
	root := newRoot(clitest.Factory(width))
	root.SetOut(&out)
	everyCommand(root, func(c *cobra.Command) {
		out.Reset()
		require.NoError(t, c.Help())
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, view.Width(line), width, "%s: %s", c.CommandPath(), line)
		}
	})
}

func TestCommands_haveExamplesThatParse(t *testing.T) {
	root := newRoot(clitest.Factory(0))
	seen := map[string]bool{}
	everyCommand(root, func(c *cobra.Command) {
		assert.False(t, seen[c.CommandPath()], "%s exists twice", c.CommandPath())
		seen[c.CommandPath()] = true
		assert.NotEmpty(t, c.Short, c.CommandPath())
		assert.NotEmpty(t, c.Example, c.CommandPath())
		for line := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", "")) {
			_, command, ok := strings.Cut(line, "starter ")
			if !ok {
				assert.Contains(t, line, "make", c.CommandPath())
				continue
			}
			found, rest, err := newRoot(clitest.Factory(0)).Find(arguments(command))
			require.NoError(t, err, line)
			assert.NoError(t, found.ParseFlags(rest), line)
			assert.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			found.Flags().VisitAll(func(flag *pflag.Flag) {
				required := strings.Contains(flag.Usage, "(required)")
				assert.True(t, flag.Changed || !required, "%s has no --%s", line, flag.Name)
			})
		}
	})
}

var argument = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)

func arguments(line string) []string {
	all := argument.FindAllString(line, -1)
	for i := range all {
		all[i] = strings.Trim(all[i], `"'`)
	}
	return all
}

// Batches of a group that are not listed run for another day, unless the configuration says that the tenant takes one
// date for the whole group.
func TestPipelineCheck_undatedGroups(t *testing.T) {
	file := clitest.WriteFile(t, "x.yaml", "name: x\nsteps:\n  - id: a\n    group: {code: G, batches: [{code: M}]}\n  - id: b\n    group: {code: H}\n")
	config := clitest.WriteFile(t, "pbsm.yaml", "connections: {old: {base_url: x}, new: {group_date: true}}\n")
	for name, args := range map[string][]string{"no connection": nil, "an old tenant": {"-c", "old", "--config", config}} {
		got := clitest.Invoke(t, newRoot, append([]string{"pipeline", "check", file}, args...)...)
		require.Zero(t, got.Code, "%s: %s", name, got.Stderr)
		assert.Contains(t, got.Stdout, "warning: step a: batches of the group G that are not listed run for the service's own day, in UTC", name)
		assert.Contains(t, got.Stdout, "warning: step b: no batch of the group H would get the as-of date", name)
	}
	got := clitest.Invoke(t, newRoot, "pipeline", "check", file, "-c", "new", "--config", config)
	require.Zero(t, got.Code, got.Stderr)
	assert.NotContains(t, got.Stdout, "warning:")
}
