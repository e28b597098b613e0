package workflows

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

func TestStepKinds_everyKindOfAPipelineHasARow(t *testing.T) {
	require.Len(t, stepKinds, len(pipeline.Kinds()))
	for _, kind := range pipeline.Kinds() {
		require.Contains(t, stepKinds, kind)
	}
}

// The recipe of CONTRIBUTING.md, followed for a kind noop, builds and runs: nothing else has to be edited.
func TestStepKinds_recipe(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	require.NoError(t, err)
	_, recipe, found := strings.Cut(string(text), "\n## How to add a kind of step\n")
	require.True(t, found)
	recipe, _, _ = strings.Cut(recipe, "\n## ")

	recipeStep := regexp.MustCompile("(?m)^\\d+\\. `([^`]+\\.go)`")
	edits := map[string]func(before string) string{
		"internal/pipeline/kind_NAME.go": nil,
		"workflows/step_NAME.go":         nil,
		"internal/pipeline/step.go": rowAfter(`	Approve \*Approve .*\n`,
			"\t// Noop does nothing.\n\tNoop *Noop `json:\"noop,omitempty\" jsonschema:\"oneof_required=noop\"`\n"),
		"workflows/step_kinds.go": rowAfter(`	pipeline.KindApprove: .*\n`, "\tpipeline.KindNoop: noopKind{},\n"),
	}
	folder := t.TempDir()
	replace := map[string]string{
		filepath.Join(root, "workflows/noop_test.go"): filepath.Join(root, "workflows/testdata/recipe/noop_test.go"),
	}
	named := recipeStep.FindAllStringSubmatch(recipe, -1)
	require.Len(t, named, len(edits), "the recipe names every file to be edited, and no other")
	for _, match := range named {
		edit, known := edits[match[1]]
		require.True(t, known, "%s", match[1])
		target := filepath.Join(root, strings.Replace(match[1], "NAME", "noop", 1))
		if edit == nil {
			replace[target] = filepath.Join(root, "workflows/testdata/recipe", filepath.Base(target))
			continue
		}
		before, err := os.ReadFile(target)
		require.NoError(t, err)
		after := edit(string(before))
		require.NotEqual(t, string(before), after)
		replace[target] = filepath.Join(folder, strings.ReplaceAll(match[1], "/", "_"))
		require.NoError(t, os.WriteFile(replace[target], []byte(after), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))

	test := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", file, "-run", "^TestNoop$", "-v", "./workflows")
	test.Dir = root
	output, err := test.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: TestNoop")
}

// rowAfter is the edit that adds a row to a table after another one.
func rowAfter(pattern, row string) func(string) string {
	return func(before string) string {
		return regexp.MustCompile(pattern).ReplaceAllStringFunc(before, func(found string) string { return found + row })
	}
}
