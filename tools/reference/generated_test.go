package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

const root = "../.."

func TestGenerate_filesAreFresh(t *testing.T) {
	files, err := generate(root)
	require.NoError(t, err)
	require.Len(t, files, 4)
	for name, want := range files {
		found, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		if string(found) != string(want) {
			t.Errorf("%s does not match the Go types; run make generate", name)
		}
	}
}

func TestReflect_refusesAKeyWithoutAComment(t *testing.T) {
	type Silent struct{ Quiet string }
	l := configuration()
	l.root = reflect.TypeFor[struct {
		Worker config.Worker `koanf:"worker"`
		Silent Silent        `koanf:"silent"`
	}]()
	c, err := readComments(root)
	require.NoError(t, err)
	_, err = l.reflect(c)
	require.ErrorContains(t, err, "key worker has no comment")
	require.ErrorContains(t, err, "Silent: the key Quiet has no comment")
	require.NotContains(t, err.Error(), "task_queue")
}

// stepExample is an example of a kind of step, or of expect.
type stepExample struct{ kind, text string }

// document returns a definition with only the example.
func (e stepExample) document() string {
	step := indent(e.text, "    ")
	if e.kind == "expect" {
		step = "    upload:\n      file: inbox/x.csv\n" + indent(e.text, "      ")
	}
	if e.kind == "export_data" {
		step = "    needs: [export]\n" + step + "  - id: export\n    batch: {code: PBSM_EXPORT_DATA}\n"
	}
	return "name: example\nsteps:\n  - id: one\n" + step
}

// stepExamples returns the examples in docs/pipelines.md.
func stepExamples(t *testing.T) []stepExample {
	var found []stepExample
	for kind, text := range sectionsOf(t, "pipelines.md") {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if kind == "expect" || slices.Contains(kinds(), kind) || kind == "export, import" {
				found = append(found, stepExample{kind, block[1]})
			}
		}
	}
	slices.SortFunc(found, func(a, b stepExample) int { return strings.Compare(a.kind+a.text, b.kind+b.text) })
	return found
}

func kinds() []string {
	keys := pipelines().keys(reflect.TypeFor[pipeline.Step]())
	return slices.DeleteFunc(slices.Collect(maps.Values(keys)), func(key string) bool {
		return slices.Contains([]string{"id", "needs", "description", "hold", "each", "at_once", "when"}, key)
	})
}

// sectionsOf returns the text under each heading of a page.
func sectionsOf(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	require.NoError(t, err)
	sections := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		sections[heading] = body
	}
	return sections
}

// The examples of the kinds of step are valid, and show every key of the kind.
func TestExamples_showEveryKey(t *testing.T) {
	shown := map[string]string{}
	for _, example := range stepExamples(t) {
		_, err := pipeline.Parse([]byte(example.document()))
		require.NoError(t, err, "%s", example.document())
		shown[example.kind] += example.text
	}
	require.Len(t, shown, len(kinds())) // export and import share a section, and expect has one
	for kind, text := range shown {
		for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(sectionsOf(t, "pipelines.md")[kind], -1) {
			assert.Regexp(t, `\b`+row[1]+`:`, text, "the example of %s does not show %s", kind, row[1])
		}
	}
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}

// Every variable of the page overrides an existing key.
func TestVariables_areKnown(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/configuration.md"))
	require.NoError(t, err)
	variables := regexp.MustCompile("<br>`(PBSM_[A-Z0-9_]+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, variables)
	for _, v := range variables {
		_, err := config.Load("", []string{v[1] + "=x"})
		require.Error(t, err) // the rest is missing
		assert.NotContains(t, err.Error(), "unknown key", v[1])
	}
	_, err = config.Load("", []string{"PBSM_WORKER__LOG__COLOUR=x"})
	require.ErrorContains(t, err, "unknown key")
}
