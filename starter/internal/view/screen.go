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

// Size is the room for a drawing: no line reaches the last column, no drawing the last row.
func (s *Screen) Size() (width, height int) {
	width, height = s.size()
	return max(width-1, 10), max(height-1, 3)
}

// Draw replaces what was drawn.
func (s *Screen) Draw(lines []string) error {
	width, height := s.Size()
	if len(lines) > height {
		lines = append(lines[:height-1:height-1], "…")
	}
	var b strings.Builder
	s.home(&b)
	s.drawn = s.drawn[:0]
	for _, line := range lines {
		line = Clip(line, width)
		s.drawn = append(s.drawn, Width(line))
		b.WriteString(line + "\x1b[K\r\n")
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

// home goes to the drawing's first line. A terminal that became narrower has
// broken long lines in the meantime, so rows are counted with today's width.
func (s *Screen) home(b *strings.Builder) {
	width, _ := s.size()
	rows := 0
	for _, cells := range s.drawn {
		rows += max(1, (cells+width-1)/max(width, 1))
	}
	b.WriteString("\r")
	if rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
}
