package command

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Examples are copied in a hurry: none may submit a batch a second time.
func TestExamples_areHarmless(t *testing.T) {
	for _, noun := range []string{"close", "batch"} {
		for _, s := range workflows.Commands() {
			example := example(clitest.Factory(0), noun, s.Name)
			assert.NotContains(t, example, workflows.NothingStarted)
			assert.Equal(t, s.Name == workflows.RestartCommand, strings.Contains(example, "table space"), example)
		}
	}
	assert.Contains(t, example(clitest.Factory(0), "close", workflows.ApproveCommand), "--step sign-off")
}

// Those which cancel, and which name several steps, have examples of their own.
func TestExamples_ofEveryCommand(t *testing.T) {
	for _, s := range workflows.Commands() {
		if s.Name != workflows.CancelCommand && !s.HasSteps {
			assert.Contains(t, exampleOf, s.Name)
		}
	}
}

// A batch is never submitted again with one word.
func TestDecide_nothingStartedIsConfirmed(t *testing.T) {
	for stdin, want := range map[string]string{"": "add --yes", "\n": "nothing was changed", "n\n": "nothing was changed", "y\n": ""} {
		f, _, stderr := clitest.Recorder()
		if stdin != "" {
			f.Stdin = strings.NewReader(stdin)
		}
		s := &client.Session{Factory: f, Temporal: clitest.NewTemporal(workflows.RunBatchType, "pbsm")}
		err := confirmNothingStarted(t.Context(), s, options{id: "id"})
		if want == "" {
			require.NoError(t, err)
			assert.Contains(t, stderr.String(), "Is there certainly no run?")
			continue
		}
		require.ErrorContains(t, err, want)
	}
	decide := []string{"batch", "decide", "id", "--reason", "looked", "--choice", workflows.NothingStarted, "--help"}
	assert.Contains(t, clitest.Invoke(t, clitest.Only(func(f *cli.Factory) *cobra.Command {
		return cli.Group(&cobra.Command{Use: "batch"}, All(f, "batch")...)
	}), decide...).Stdout, "--yes")
}
