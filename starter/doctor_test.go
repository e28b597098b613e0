package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/api/serviceerror"
)

func TestTemporalThatGoesAwayMeanwhileIsNotReached(t *testing.T) {
	d := doctor{app: &app{terminal: terminalOf(0, io.Discard, io.Discard)}}
	d.refused("namespace close", "Create it.", serviceerror.NewUnavailable("gone"))
	assert.Equal(t, exitUnreachable, asProblem(d.verdict()).code)
	d.refused("namespace close", "Create it.", serviceerror.NewNamespaceNotFound("close"))
	assert.Equal(t, exitFailed, asProblem(d.verdict()).code)
	assert.Equal(t, "Create it.", d.findings[1].Do)
}

func TestFindingsFitTheTerminal(t *testing.T) {
	found := finding{Check: "workers", Detail: "nobody polls the task queue\nsince yesterday", Do: "Start a worker and look here again."}
	at := func(width int) []string {
		d := doctor{app: &app{terminal: terminalOf(width, io.Discard, io.Discard)}}
		return d.findingLines(found)
	}
	assert.Equal(t, []string{
		"FAIL  workers: nobody polls the",
		"      task queue",
		"        since yesterday",
		"      > Start a worker and look",
		"        here again.",
	}, at(32))
	assert.Equal(t, []string{
		"FAIL  workers: nobody polls the task queue",
		"        since yesterday",
		"      > Start a worker and look here again.",
	}, at(0), "as wide as needed where there is no terminal")
}
