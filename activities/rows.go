package activities

import (
	"io"
	"path"
	"strings"
)

// rows counts the records of what passes: of a CSV file those below the header, where a
// line break within quotes does not end one; of any other file the lines.
type rows struct {
	csv     bool
	ended   int64
	quoted  bool
	partial bool
}

func newRows(name string) *rows {
	return &rows{csv: strings.EqualFold(path.Ext(name), ".csv")}
}

func (r *rows) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' && !r.quoted:
			r.ended++
			r.partial = false
			continue
		case c == '"' && r.csv:
			r.quoted = !r.quoted
		}
		r.partial = true
	}
	return len(p), nil
}

func (r *rows) count() int64 {
	n := r.ended
	if r.partial {
		n++
	}
	if r.csv {
		n = max(n-1, 0)
	}
	return n
}

// reading counts what is read from src, from the start again after a seek to it.
func (r *rows) reading(src io.ReadSeeker) io.ReadSeeker { return &countedReads{src, r} }

type countedReads struct {
	io.ReadSeeker
	rows *rows
}

func (c *countedReads) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	_, _ = c.rows.Write(p[:n])
	return n, err
}

func (c *countedReads) Seek(offset int64, whence int) (int64, error) {
	*c.rows = rows{csv: c.rows.csv}
	return c.ReadSeeker.Seek(offset, whence)
}
