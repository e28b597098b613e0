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

func TestFilesAreFresh(t *testing.T) {
	files, err := generate(root)
	require.NoError(t, err)
	require.Len(t, files, 4)
	for name, want := range files {
		found, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		if string(found) != string(want) {
			t.Errorf("%s is not what the Go types say; mend it with: make generate", name)
		}
	}
}

func TestAKeyWithoutACommentIsRefused(t *testing.T) {
	type Silent struct{ Quiet string }
	l := configuration()
	l.root = reflect.TypeFor[struct {
		Worker config.Worker `koanf:"worker"`
		Silent Silent        `koanf:"silent"`
	}]()
	_, err := l.reflect(newComments(root))
	require.ErrorContains(t, err, "key worker has no comment")
	require.ErrorContains(t, err, "Silent: the key Quiet has no comment")
	require.NotContains(t, err.Error(), "task_queue")
}

// The examples above the kinds of step are steps, and show every key of the kind.
func TestExamplesShowEveryKey(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/pipelines.md"))
	require.NoError(t, err)
	heading, block := regexp.MustCompile(`(?m)^## (.*)$`), regexp.MustCompile("(?s)```yaml\n(.*?)```")
	sections := heading.FindAllStringSubmatchIndex(string(page), -1)
	l := pipelines()
	kinds := l.keys(reflect.TypeFor[pipeline.Step]())
	examples := 0
	for i, at := range sections {
		title, end := string(page[at[2]:at[3]]), len(page)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		text := string(page[at[0]:end])
		shown := ""
		for _, example := range block.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(example[1], "#") || strings.HasPrefix(example[1], "name:") {
				continue
			}
			step := indent(example[1], "    ")
			if title == "expect" {
				step = "    upload:\n      file: inbox/x.csv\n" + indent(example[1], "      ")
			}
			_, err := pipeline.Parse([]byte("name: example\nsteps:\n  - id: one\n" + step))
			require.NoError(t, err, "%s", step)
			shown += example[1]
			examples++
		}
		if slices.Contains(slices.Collect(maps.Values(kinds)), title) || title == "expect" {
			for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(text, -1) {
				assert.Regexp(t, `\b`+row[1]+`:`, shown, "the example of %s does not show %s", title, row[1])
			}
		}
	}
	require.GreaterOrEqual(t, examples, len(kinds)-3)
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}

// Every variable of the page overrides a key that there is.
func TestVariablesAreKnown(t *testing.T) {
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
