package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

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
