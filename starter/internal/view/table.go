package view

import (
	"slices"
	"strings"
)

// Column says how a column of a table is laid out.
type Column struct {
	Right bool // numbers
	// Optional columns are omitted, the last first, when the table is too wide.
	Optional bool
}

const (
	gap     = 2
	minLast = 24 // cells that the last column gets before optional columns are omitted for it
)

// Table lays out rows in cells; the last column takes the rest of the width and is cut there. A width of 0 is
// no limit.
func Table(columns []Column, rows [][]string, width int) []string {
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	shown := fit(columns, widths, width)
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		line := ""
		for at, i := range shown {
			switch cell := row[i]; {
			case at == len(shown)-1 && !columns[i].Right:
				line += cell
			case columns[i].Right:
				line += padLeft(cell, widths[i])
			default:
				line += pad(cell, widths[i])
			}
			if at < len(shown)-1 {
				line += "  "
			}
		}
		if width > 0 {
			line = Clip(line, width)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// TableOr is a table where it fits, else the paragraphs, in which nothing is cut.
func TableOr(paragraphs []string, columns []Column, rows [][]string, width int) []string {
	table := Table(columns, rows, 0)
	if width > 0 && slices.ContainsFunc(table, func(line string) bool { return Width(line) > width }) {
		return paragraphs
	}
	return table
}

// fit chooses the columns to show.
func fit(columns []Column, widths []int, width int) []int {
	var shown []int
	for i := range columns {
		if widths[i] > 0 {
			shown = append(shown, i)
		}
	}
	for width > 0 {
		need := 0
		for at, i := range shown {
			if at == len(shown)-1 {
				need += min(widths[i], minLast)
			} else {
				need += widths[i] + gap
			}
		}
		at := lastOptional(columns, shown)
		if need <= width || at < 0 {
			break
		}
		shown = append(shown[:at:at], shown[at+1:]...)
	}
	return shown
}

func lastOptional(columns []Column, shown []int) int {
	for at := len(shown) - 1; at >= 0; at-- {
		if columns[shown[at]].Optional {
			return at
		}
	}
	return -1
}
