// Package view turns statuses and results of workflows into lines for a terminal or a log. It knows no
// Temporal, and does no I/O except that of [Screen].
package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

const reset = "\x1b[0m"

// Width is the number of terminal cells that s takes; colours take none.
func Width(s string) int { return ansi.StringWidth(s) }

// Clip cuts s to at most n cells; "…" stands for what was cut. 0 is no limit.
func Clip(s string, n int) string {
	if n <= 0 {
		return s
	}
	return ansi.Truncate(s, n, "…")
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-Width(s), 0)) }

func padLeft(s string, n int) string { return strings.Repeat(" ", max(n-Width(s), 0)) + s }

// oneLine removes line breaks and control characters of remote texts.
func oneLine(s string) string {
	between := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	return strings.Join(strings.FieldsFunc(s, between), " ")
}

// Wrap breaks s at spaces, into lines of at most width cells where it can; 0 is no limit.
func Wrap(s string, width int) []string {
	if width <= 0 {
		return []string{s}
	}
	n := max(width, minLast)
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case Width(line)+1+Width(word) <= n:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// Indent wraps s into lines that begin with indent.
func Indent(indent, s string, width int) []string {
	lines := Wrap(s, width-len(indent))
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}

// Hang is Indent with another beginning of the first line, as wide as those of the others.
func Hang(first, s string, width int) []string {
	lines := Indent(strings.Repeat(" ", len(first)), s, width)
	lines[0] = first + lines[0][len(first):]
	return lines
}

// Duration formats d for an operator: 31s, 4m12s, 2h05m.
func Duration(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// Bytes formats a size for an operator, in powers of ten as file managers show them.
func Bytes(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 999.95 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}

// Count formats a number with separated thousands: 250,000.
func Count(n int64) string {
	digits := fmt.Sprint(n)
	start := len(digits) % 3
	if start == 0 || n < 0 && start == 1 {
		start += 3
	}
	var b strings.Builder
	b.WriteString(digits[:min(start, len(digits))])
	for i := start; i < len(digits); i += 3 {
		b.WriteString("," + digits[i:i+3])
	}
	return b.String()
}

// Plural is "1 step", "2 steps".
func Plural[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", Count(int64(n)), what)
}
