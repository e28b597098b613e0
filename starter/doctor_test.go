package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
)

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
