package view

import (
	"fmt"
	"io"
	"strings"
)

// Screen draws lines over those that it drew before, and leaves what is above them.
type Screen struct {
	w     io.Writer
	size  func() (width, height int)
	drawn []int // cells of each line on the terminal
}

// NewScreen makes a screen on w; size is that of the terminal, in cells.
func NewScreen(w io.Writer, size func() (width, height int)) *Screen {
	return &Screen{w: w, size: size}
}

// Size is the room for a drawing, without the last column and the last row.
func (s *Screen) Size() (width, height int) {
	width, height = s.size()
	return max(width-1, 10), max(height-1, 3)
}

// Draw replaces the last drawing. Lines that are too long continue in the next row, so that they can be
// copied whole; a drawing that is too high is cut.
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

// Clear removes the drawing.
func (s *Screen) Clear() error { return s.Draw(nil) }

// home moves to the first line of the drawing.
func (s *Screen) home(b *strings.Builder) {
	b.WriteString("\r")
	if rows := s.rows(); rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
}

// rows counts with the present width: a terminal that became narrower has broken long lines.
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
