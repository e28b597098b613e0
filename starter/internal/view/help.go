package view

import (
	"regexp"
	"strings"
)

// readable is the widest that running text is set, however wide the terminal.
const readable = 100

// item is a line of a list: a term and, two spaces or more behind it, what it means.
var item = regexp.MustCompile(`^ +\S+(?: \S+)*  +`)

// Help sets the text of a command's help for a terminal: paragraphs are filled, and what a list
// says of a term stays beside it. 0 is no limit.
func Help(text string, width int) string {
	if width <= 0 {
		return text
	}
	width = min(width, readable)
	var lines []string
	for block := range strings.SplitSeq(text, "\n\n") {
		for _, part := range parts(block) {
			head := item.FindString(part)
			indent := len(head)
			for i, line := range Wrap(part[indent:], width-indent) {
				if i > 0 {
					head = strings.Repeat(" ", indent)
				}
				lines = append(lines, head+line)
			}
		}
		lines = append(lines, "")
	}
	return strings.Join(lines[:len(lines)-1], "\n")
}

// parts are the paragraphs and the items of a block, each on one line.
func parts(block string) (joined []string) {
	hang := 0 // of the part before: a line that is indented as far goes on with it
	for line := range strings.SplitSeq(block, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		head := item.FindString(line)
		if len(joined) > 0 && head == "" && indent == hang {
			joined[len(joined)-1] += " " + strings.TrimSpace(line)
			continue
		}
		hang = max(indent, len(head))
		joined = append(joined, line)
	}
	return joined
}

// Examples breaks the lines of a command's examples before their flags, so that they can still be
// copied. 0 is no limit.
func Examples(text string, width int) string {
	if width <= 0 {
		return text
	}
	var lines []string
	for example := range strings.SplitSeq(text, "\n") {
		line := ""
		for i, word := range strings.Split(example, " --") {
			if i > 0 {
				word = " --" + word
			}
			if line != "" && Width(line)+Width(word)+len(` \`) > width {
				lines, line = append(lines, line+` \`), "     "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
