// Package cli has what every command shares: the terminal, the flags, the problems and their exit codes.
package cli

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// Terminal is where a command writes: results go to Stdout, notes and errors to Stderr.
type Terminal struct {
	Stdin          io.Reader // answers to questions; nil if nobody can give them
	Stdout, Stderr io.Writer
	Live           bool // Stdout is a screen that lines can be redrawn on
	Style          view.Style
	Size           func() (width, height int)
}

// NewTerminal finds out what the program's streams can show.
func NewTerminal(stdout, stderr *os.File) *Terminal {
	t := &Terminal{Stdout: stdout, Stderr: stderr, Size: func() (int, int) { return 0, 0 }}
	if !term.IsTerminal(int(stdout.Fd())) || os.Getenv("TERM") == "dumb" {
		return t
	}
	t.Live = true
	if term.IsTerminal(int(os.Stdin.Fd())) {
		t.Stdin = os.Stdin
	}
	t.Style = view.Style{Color: os.Getenv("NO_COLOR") == "", Unicode: unicodeLocale(os.Getenv)}
	t.Size = func() (int, int) {
		width, height, err := term.GetSize(int(stdout.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}
	return t
}

func unicodeLocale(getenv func(string) string) bool {
	locale := strings.ToUpper(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8")
}

// Confirm asks for confirmation. Where nobody can answer, it says that --yes is missing.
func (t *Terminal) Confirm(question string) error {
	if t.Stdin == nil {
		return Usage("%s There is no terminal to ask on: add --yes to continue", question)
	}
	_, _ = fmt.Fprint(t.Stderr, question+" [y/N] ")
	answer, _ := bufio.NewReader(t.Stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return Usage("nothing was changed")
	}
	return nil
}

// Width is the terminal's width, or 0 (no limit) where there is no terminal.
func (t *Terminal) Width() int {
	w, _ := t.Size()
	return w
}

// Print writes lines to Stdout.
func (t *Terminal) Print(lines ...string) {
	for _, line := range lines {
		_, _ = fmt.Fprintln(t.Stdout, line)
	}
}

// Note writes a line to Stderr.
func (t *Terminal) Note(format string, args ...any) {
	_, _ = fmt.Fprintf(t.Stderr, format+"\n", args...)
}

// PrintStamped writes changes with their times, as a log has them.
func (t *Terminal) PrintStamped(times clock.Clock, changes []view.Change) {
	for _, change := range changes {
		at := change.At
		if at.IsZero() {
			at = time.Now()
		}
		t.Print(times.Exact(at) + "  " + change.Text)
	}
}

// PrintJSON writes a value as a JSON document.
func (t *Terminal) PrintJSON(v any) {
	encoder := json.NewEncoder(t.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		t.Note("starter: %v", err)
	}
}
