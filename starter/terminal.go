package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// terminal is where a command writes. What a person or a program asked for goes
// to stdout; notes and errors go to stderr.
type terminal struct {
	stdout, stderr io.Writer
	live           bool // stdout is a screen that lines can be redrawn on
	style          view.Style
	size           func() (width, height int)
}

func newTerminal(stdout, stderr *os.File) *terminal {
	t := &terminal{stdout: stdout, stderr: stderr, size: func() (int, int) { return 0, 0 }}
	if !term.IsTerminal(int(stdout.Fd())) || os.Getenv("TERM") == "dumb" {
		return t
	}
	t.live = true
	t.style = view.Style{Color: os.Getenv("NO_COLOR") == "", Unicode: unicodeLocale(os.Getenv)}
	t.size = func() (int, int) {
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

// width is the terminal's, 0 (as wide as needed) elsewhere.
func (t *terminal) width() int {
	w, _ := t.size()
	return w
}

func (t *terminal) print(lines ...string) {
	for _, line := range lines {
		_, _ = fmt.Fprintln(t.stdout, line)
	}
}

func (t *terminal) note(format string, args ...any) {
	_, _ = fmt.Fprintf(t.stderr, format+"\n", args...)
}

// stamped prints lines with the time, as logs want them.
func (t *terminal) stamped(lines []string) {
	for _, line := range lines {
		t.print(time.Now().Format("2006-01-02 15:04:05") + "  " + line)
	}
}

func (t *terminal) printJSON(v any) {
	encoder := json.NewEncoder(t.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		t.note("starter: %v", err)
	}
}
