package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	pageLink    = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	fence       = regexp.MustCompile("(?ms)^```.*?^```")
)

// Every link between the pages resolves to a file, and to a heading in it.
func TestPages_linksResolve(t *testing.T) {
	t.Parallel()
	links := 0
	for _, from := range append(pages(t), "../../CONTRIBUTING.md", "../../SECURITY.md", "../../CHANGELOG.md", "../CHAPTERS.md", "../histories/v1/README.md") {
		for _, link := range pageLink.FindAllStringSubmatch(prose(t, from), -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			links++
			to := from
			if link[1] != "" {
				to = filepath.Join(filepath.Dir(from), link[1])
			}
			if _, err := os.Stat(to); assert.NoError(t, err, from) && link[2] != "" {
				assert.Contains(t, anchors(t, to), link[2], "%s links to a heading that %s does not have", from, to)
			}
		}
	}
	require.Greater(t, links, 50)
}

// prose returns a page without its fenced blocks.
func prose(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return fence.ReplaceAllString(string(text), "")
}

// anchors returns the anchors of a page's headings, like GitHub.
func anchors(t *testing.T, file string) (names []string) {
	t.Helper()
	for _, heading := range headingLine.FindAllStringSubmatch(prose(t, file), -1) {
		names = append(names, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-"))
	}
	return names
}
