package view

import (
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Style says what the reader's terminal can show.
type Style struct {
	Color   bool
	Unicode bool
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	bold   = "1"
	faint  = "2"
)

func (s Style) paint(color, text string) string {
	if !s.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + reset
}

type appearance struct{ glyph, plain, color string }

var appearances = map[workflows.State]appearance{
	workflows.Pending:                 {"·", ".", faint},
	workflows.Running:                 {"▶", ">", cyan},
	workflows.Interrupting:            {"◼", "#", yellow},
	workflows.Waiting:                 {"!", "!", yellow},
	workflows.Succeeded:               {"✓", "+", green},
	workflows.SucceededWithExceptions: {"✓", "+", yellow},
	workflows.Failed:                  {"✗", "x", red},
	workflows.Interrupted:             {"◼", "#", yellow},
	workflows.Cancelled:               {"◼", "#", yellow},
	workflows.Skipped:                 {"»", "~", faint},
	workflows.MarkedDone:              {"»", "~", yellow},
	workflows.NotRun:                  {"–", "-", faint},
	workflows.NotTonight:              {"–", "-", faint},
}

func (s Style) glyph(state workflows.State) string {
	l, known := appearances[state]
	switch {
	case !known:
		return "?"
	case s.Unicode:
		return s.paint(l.color, l.glyph)
	}
	return s.paint(l.color, l.plain)
}

func (s Style) state(state workflows.State) string {
	return s.paint(appearances[state].color, strings.ReplaceAll(string(state), "_", " "))
}

// taskState is how a status code of the service appearances.
func taskState(code string) workflows.State {
	switch pbsm.StatusCode(code) {
	case pbsm.CodeSuccess:
		return workflows.Succeeded
	case pbsm.CodeFailure, pbsm.CodeAborted:
		return workflows.Failed
	case pbsm.CodeInterrupted:
		return workflows.Interrupted
	case pbsm.CodeNotStarted:
		return workflows.Pending
	case pbsm.CodeExcluded:
		return workflows.Skipped
	case pbsm.CodeHeld:
		return workflows.Waiting
	case pbsm.CodeOngoing:
		return workflows.Running
	}
	return ""
}

const barCells = 10

func (s Style) bar(done, total int64) string {
	full, empty := "█", "░"
	if !s.Unicode {
		full, empty = "#", "."
	}
	n := 0
	if total > 0 {
		n = int(min(max(done, 0), total) * barCells / total)
	}
	return s.paint(cyan, strings.Repeat(full, n)) + s.paint(faint, strings.Repeat(empty, barCells-n))
}
