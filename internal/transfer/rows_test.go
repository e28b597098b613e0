package transfer

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRows(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		want                int64
	}{
		{"header only", "a.csv", "h1,h2\n", 0},
		{"empty", "a.csv", "", 0},
		{"records", "a.csv", "h\n1\n2\n", 2},
		{"last line without its end", "a.CSV", "h\n1\n2", 2},
		{"line break within quotes", "a.csv", "h\n\"1\n1\"\n2\n", 2},
		{"doubled quotes", "a.csv", "h\n\"a \"\"b\"\"\n\"\n", 1},
		{"not csv", "a.dat", "1\n2\n", 2},
		{"quotes mean nothing elsewhere", "a.txt", "\"1\n2\n", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := newRows(c.file)
			_, _ = whole.Write([]byte(c.content))
			require.Equal(t, c.want, whole.count())

			byByte := newRows(c.file)
			for i := range len(c.content) {
				_, _ = byByte.Write([]byte{c.content[i]})
			}
			require.Equal(t, c.want, byByte.count())
		})
	}
}

// naive counts byte by byte.
func naive(content []byte) int64 {
	ended, quoted, partial := int64(0), false, false
	for _, c := range content {
		if c == '\n' && !quoted {
			ended, partial = ended+1, false
			continue
		}
		quoted = quoted != (c == '"')
		partial = true
	}
	if partial {
		ended++
	}
	return max(ended-1, 0)
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("h\n\"1\n\"\n"), 3)
	f.Fuzz(func(t *testing.T, content []byte, cut int) {
		cut = max(0, min(cut, len(content)))
		whole, parts := newRows("a.csv"), newRows("a.csv")
		_, _ = whole.Write(content)
		_, _ = parts.Write(content[:cut])
		state, err := parts.MarshalBinary()
		require.NoError(t, err)
		parts = newRows("a.csv")
		require.NoError(t, parts.UnmarshalBinary(state))
		_, _ = parts.Write(content[cut:])
		require.Equal(t, naive(content), whole.count())
		if whole.count() != parts.count() {
			t.Fatalf("%d in one write, %d in two", whole.count(), parts.count())
		}
		if lines := int64(bytes.Count(content, []byte("\n"))); whole.count() > lines {
			t.Fatalf("%d records in %d lines", whole.count(), lines)
		}
	})
}
