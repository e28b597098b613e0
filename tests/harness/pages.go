package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Root is a path of the repository.
func Root(path ...string) string {
	tests, _ := repository()
	return filepath.Join(append([]string{filepath.Dir(tests)}, path...)...)
}

// Block is a fenced block of a page and the nearest heading above it.
type Block struct {
	Heading, Language, Text string
}

// Page reads a page of the repository, and its fenced blocks.
func Page(t testing.TB, file string) (text string, blocks []Block) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	heading, open := "", (*Block)(nil)
	for line := range strings.Lines(string(content)) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &Block{Heading: heading, Language: fence}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	require.Nil(t, open, "a fence is not closed")
	return string(content), blocks
}

// InLanguage are the blocks in a language.
func InLanguage(blocks []Block, language string) []Block {
	var found []Block
	for _, b := range blocks {
		if b.Language == language {
			found = append(found, b)
		}
	}
	return found
}
