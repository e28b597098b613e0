// Package view turns what workflows say about themselves into lines for a
// terminal or a log. It knows no Temporal and does no I/O but [Screen]'s.
package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

const reset = "\x1b[0m"

// Width is the number of terminal cells that s takes; colours take none.
func Width(s string) int {
	cells := 0
	for s != "" {
		token, n := next(s)
		cells += n
		s = s[len(token):]
	}
	return cells
}

// Clip cuts s to at most n cells; what was cut shows as "…". 0 is no limit.
func Clip(s string, n int) string {
	if n <= 0 || Width(s) <= n {
		return s
	}
	var b strings.Builder
	painted := false
	for used := 0; ; {
		token, cells := next(s)
		if used+cells > n-1 {
			break
		}
		painted = painted || token[0] == '\x1b'
		b.WriteString(token)
		used += cells
		s = s[len(token):]
	}
	b.WriteString("…")
	if painted {
		b.WriteString(reset)
	}
	return b.String()
}

// next takes one character, or one whole colour sequence, off s.
func next(s string) (token string, cells int) {
	if strings.HasPrefix(s, "\x1b[") {
		if end := strings.IndexByte(s, 'm'); end > 0 {
			return s[:end+1], 0
		}
	}
	for i, r := range s {
		if i > 0 {
			return s[:i], cells
		}
		cells = cellsOf(r)
	}
	return s, cells
}

func cellsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Cc):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-Width(s), 0)) }

func padLeft(s string, n int) string { return strings.Repeat(" ", max(n-Width(s), 0)) + s }

// oneLine keeps control characters of remote texts off the terminal.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
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

// Duration is d for a person: 31s, 4m12s, 2h05m.
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

// Bytes is a size for a person, in powers of ten as file managers show them.
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

// Count is a number with its thousands apart: 250,000.
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
