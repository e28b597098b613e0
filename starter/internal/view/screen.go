package view

import (
	"fmt"
	"io"
	"strings"
)

// Screen draws lines over those that it drew before. What stands above stays.
type Screen struct {
	w     io.Writer
	size  func() (width, height int)
	drawn []int // cells of each line on the terminal
}

// NewScreen draws on w; size tells the terminal's cells.
func NewScreen(w io.Writer, size func() (width, height int)) *Screen {
	return &Screen{w: w, size: size}
}

// Size is the room for a drawing: no line needs to reach the last column, no drawing the last row.
func (s *Screen) Size() (width, height int) {
	width, height = s.size()
	return max(width-1, 10), max(height-1, 3)
}

// Draw replaces what was drawn. Lines that are too long go on in the next row, so
// that they can be copied whole; a drawing that is too high is cut.
func (s *Screen) Draw(lines []string) error {
	_, height := s.Size()
	var b strings.Builder
	s.home(&b)
	s.drawn = s.drawn[:0]
	for i, line := range lines {
		rest := len(lines) - i - 1
		if s.rows()+s.rowsOf(Width(line))+min(rest, 1) > height {
			line, rest = "…", 0
		}
		s.drawn = append(s.drawn, Width(line))
		b.WriteString(line + "\x1b[K\r\n")
		if rest == 0 {
			break
		}
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.w, b.String())
	return err
}

// Clear takes the drawing away.
func (s *Screen) Clear() error {
	var b strings.Builder
	s.home(&b)
	b.WriteString("\x1b[J")
	s.drawn = s.drawn[:0]
	_, err := io.WriteString(s.w, b.String())
	return err
}

// home goes to the drawing's first line.
func (s *Screen) home(b *strings.Builder) {
	b.WriteString("\r")
	if rows := s.rows(); rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
}

// rows are counted with today's width: a terminal that became narrower has
// broken long lines in the meantime.
func (s *Screen) rows() int {
	rows := 0
	for _, cells := range s.drawn {
		rows += s.rowsOf(cells)
	}
	return rows
}

func (s *Screen) rowsOf(cells int) int {
	width, _ := s.size()
	width = max(width, 1)
	return max(1, (cells+width-1)/width)
}
