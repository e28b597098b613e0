package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The Go on the pages is compiled and run as an example of the package.
func TestPages_showTheExamples(t *testing.T) {
	t.Parallel()
	_, blocks := harness.Page(t, "../../docs/starting.md")
	source, err := os.ReadFile("../../workflows/example_test.go")
	require.NoError(t, err)
	shown := harness.InLanguage(blocks, "go")
	require.Len(t, shown, 3)
	for _, b := range shown {
		require.Contains(t, string(source), b.Text, "docs/starting.md and workflows/example_test.go")
	}
}

// inputs are the types of the JSON on the pages, by workflow.
var inputs = map[string]func() any{
	workflows.NightlyCloseType:   func() any { return new(workflows.NightlyCloseInput) },
	workflows.RunBatchType:       func() any { return new(workflows.RunBatchInput) },
	workflows.GenerateReportType: func() any { return new(workflows.GenerateReportInput) },
	workflows.UploadFileType:     func() any { return new(workflows.UploadFileInput) },
	workflows.DownloadFileType:   func() any { return new(workflows.DownloadFileInput) },
	workflows.MigrateType:        func() any { return new(workflows.MigrateInput) },
	workflows.DeleteFilesType:    func() any { return new(workflows.DeleteFilesInput) },
	workflows.SetAsOfDateType:    func() any { return new(workflows.SetAsOfDateInput) },
	workflows.ExportDataType:     func() any { return new(workflows.ExportDataInput) },
}

// decodeInput decodes strictly, and requires a valid input.
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

// Every JSON input is valid for its workflow. Under the heading of a workflow with an id of its own, the page names the
// id of the first input.
func TestPages_inputsAreValid(t *testing.T) {
	t.Parallel()
	text, blocks := harness.Page(t, "../../docs/starting.md")
	rows := inputRow.FindAllStringSubmatch(text, -1)
	require.Len(t, rows, len(inputs))
	for _, row := range rows {
		require.Contains(t, inputs, row[1])
		decodeInput(t, inputs[row[1]](), row[2])
	}

	shown := map[string]int{}
	for _, b := range harness.InLanguage(blocks, "json") {
		require.Contains(t, inputs, b.Heading, "JSON under a heading that is not a workflow:\n%s", b.Text)
		input := inputs[b.Heading]()
		decodeInput(t, input, b.Text)
		if in, ok := input.(interface{ WorkflowID() string }); ok && shown[b.Heading] == 0 {
			require.Contains(t, text, "`"+in.WorkflowID()+"`")
		}
		shown[b.Heading]++
	}
	require.Len(t, shown, len(inputs), "every workflow has an example")

	_, blocks = harness.Page(t, "../../docs/commands.md")
	commands := harness.InLanguage(blocks, "json")
	require.Len(t, commands, 3)
	for _, b := range commands {
		decodeInput(t, new(workflows.Command), b.Text)
	}
}

// The pipelines and the parts of pbsm.yaml on the pages are valid. The single steps in docs/pipelines.md are tested
// where that page is generated.
func TestPages_definitionsAreValid(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for _, file := range pages(t) {
		_, blocks := harness.Page(t, file)
		for _, b := range harness.InLanguage(blocks, "yaml") {
			key, _, _ := strings.Cut(b.Text, ":")
			found[key]++
			switch key {
			case "name":
				_, err := pipeline.Parse([]byte(b.Text))
				require.NoError(t, err, "%s", b.Text)
			case "calendars":
				_, err := config.LoadPlanning(withConnection(t, b.Text), nil)
				require.NoError(t, err, "%s", b.Text)
			case "notifications":
				_, err := config.Load(withConnection(t, b.Text), []string{
					"PBSM_NOTIFICATIONS__NIGHT_SHIFT__URL=https://hooks.example.com/x", "PBSM_NOTIFICATIONS__CONTROLLERS__URL=smtp://u:p@mail.example.com",
				})
				require.NoError(t, err, "%s", b.Text)
			}
		}
	}
	for key, atLeast := range map[string]int{"name": 2, "calendars": 1, "notifications": 1} {
		require.GreaterOrEqual(t, found[key], atLeast, "%s: on the pages", key)
	}
}

// pages returns README.md and the pages in docs.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	return append(files, "../../README.md")
}

// withConnection writes a configuration with a connection prod and more.
func withConnection(t *testing.T, more string) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pbsm.yaml"), []byte(`connections:
  prod: {base_url: "https://h.example/t", token_url: "https://i.example/oauth2/v1/token", tenant_id: t, service_id: s, remote_user: u, client_id: c, client_secret: x, username: u, password: p}
`+more), 0o600))
	return filepath.Join(folder, "pbsm.yaml")
}

// command matches a command of the starter, which a backslash continues on the next line.
var command = regexp.MustCompile("(?m)bin/starter ((?:\\\\\n|[^`\n;])*)")

// complete matches what names a workflow, a schedule or a flag: more than a mention of a command.
var complete = regexp.MustCompile(`/| --?[a-z]`)

// withoutTemporal are the commands that need no connection to Temporal, but files or a configuration.
var withoutTemporal = []string{"audit", "doctor", "init", "notify", "pipeline"}

// Every command on the pages is one of the starter's, with flags that it knows. One that is written out is accepted as
// it stands: nothing fails but the connection to Temporal, which is made once the input is valid.
func TestPages_commandsAreAccepted(t *testing.T) {
	t.Parallel()
	all := ""
	for _, file := range pages(t) {
		text, _ := harness.Page(t, file)
		all += text
	}
	e := harness.New(t, harness.Options{NoWorker: true})
	shown := command.FindAllStringSubmatch(all, -1)
	require.NotEmpty(t, shown)
	accepted := map[string]bool{}
	for _, match := range shown {
		args := argument.FindAllString(strings.ReplaceAll(match[1], "\\\n", ""), -1)
		if len(args) == 0 || accepted[match[1]] {
			continue
		}
		accepted[match[1]] = true
		for i := range args {
			args[i] = strings.Trim(args[i], `"`)
		}
		result := e.Run(append(args, "--help")...)
		assert.Zero(t, result.Code, "starter %s\n%s", match[1], result)
		if !complete.MatchString(match[1]) || slices.Contains(withoutTemporal, args[0]) {
			continue
		}
		result = e.RunEnv([]string{"TEMPORAL_ADDRESS=127.0.0.1:1"}, args...)
		assert.Contains(t, []int{0, exitUnreachable}, result.Code, "starter %s\n%s", match[1], result)
	}
}

var argument = regexp.MustCompile(`"[^"]*"|\S+`)

// exitUnreachable is the starter's exit code when it cannot reach Temporal.
const exitUnreachable = 5
