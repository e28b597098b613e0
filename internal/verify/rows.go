package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// delimiters are those that a file may have whose delimiter is not given.
const delimiters = ",;\t|"

// reader finds the rows and totals of a file that it is written, piece by piece. It holds no more than a field.
//
// When the delimiter is not given, the file is read with each that its header may have. There is no number of
// rows unless all of these readings agree.
type reader struct {
	form   Form
	head   []byte // the first bytes, until it is decided what they are
	began  bool   // that is decided
	offset int64  // bytes that were read
	ctrlZ  bool   // a Ctrl-Z was read, after which only more of them may follow, and line ends
	tables []*table
	err    error // the file is not text
}

func newReader(form Form) *reader {
	r := &reader{form: form}
	switch {
	case !form.CSV:
		r.tables = []*table{newTable(form)}
	case form.Delimiter != 0 || len(form.Columns) > 0:
		if form.Delimiter == 0 {
			form.Delimiter = delimiters[0]
		}
		r.tables = []*table{newTable(form)}
	default:
		for _, delimiter := range []byte(delimiters) {
			form.Delimiter = delimiter
			t := newTable(form)
			t.Guessed = true
			r.tables = append(r.tables, t)
		}
	}
	return r
}

func (r *reader) write(p []byte) {
	if r.began {
		r.text(p)
		return
	}
	n := min(len(p), problem.HeadSize-len(r.head))
	r.head = append(r.head, p[:n]...)
	if len(r.head) == problem.HeadSize {
		r.begin()
		r.text(p[n:])
	}
}

// begin decides what the first bytes are. A byte order mark is dropped, so that a quote after it is the first
// character of a field.
func (r *reader) begin() {
	r.began = true
	r.err = problem.NotText(r.head)
	text := bytes.TrimPrefix(r.head, []byte(problem.ByteOrderMark))
	r.offset = int64(len(r.head) - len(text))
	r.text(text)
	r.head = nil
}

func (r *reader) text(p []byte) {
	if r.err != nil {
		return
	}
	if at := bytes.IndexByte(p, 0); at >= 0 {
		r.err = problem.Nul(r.offset + int64(at) + 1)
		return
	}
	before := p
	if at := bytes.IndexByte(p, ctrlZ); r.ctrlZ {
		before = nil
	} else if at >= 0 {
		before, r.ctrlZ = p[:at], true
	}
	if rest := p[len(before):]; len(bytes.Trim(rest, "\x1a\r\n")) > 0 {
		r.err = errors.New("holds Ctrl-Z (0x1A), the end-of-file mark of DOS, before its end")
		return
	}
	r.offset += int64(len(p))
	for _, t := range r.tables {
		t.take(before)
	}
	r.choose(false)
}

const ctrlZ = 0x1a

// choose keeps the tables whose delimiter the header may have: those in which it is well-formed and has more than
// one column, if there are any. Before the end it waits for all headers.
func (r *reader) choose(end bool) {
	if len(r.tables) == 1 {
		return
	}
	var well, several []*table
	for _, t := range r.tables {
		switch {
		case t.Records > 0 && t.Columns > 1:
			several, well = append(several, t), append(well, t)
		case t.Records > 0 || t.err == nil && end:
			well = append(well, t)
		case t.err == nil:
			return
		}
	}
	switch {
	case len(several) > 0:
		r.tables = several
	case len(well) > 0: // one column, for which no delimiter matters
		r.tables = well[:1]
	default:
		r.tables = r.tables[:1]
	}
}

// end ends the file and returns its rows.
func (r *reader) end() (int64, error) {
	if !r.began {
		r.begin()
	}
	if r.err != nil {
		return 0, &FormatError{Message: "the file " + r.err.Error()}
	}
	for _, t := range r.tables {
		t.end()
	}
	r.choose(true)
	first := r.tables[0]
	for _, t := range r.tables {
		if t.err != nil {
			return 0, t.err
		}
		if t.rows() != first.rows() {
			message := "the file has %d rows if its columns are separated by %q, and %d if by %q: give the delimiter"
			return 0, &FormatError{Message: fmt.Sprintf(message, first.rows(), first.Delimiter, t.rows(), t.Delimiter)}
		}
	}
	return first.rows(), nil
}

// Rows counts the rows of a file that it is written in pieces of any size. A later attempt can continue the count.
type Rows struct{ r *reader }

// NewRows begins the count of a file of this name, of which nothing is known but its name.
func NewRows(name string) *Rows { return &Rows{newReader(FormOf(name))} }

// Write never fails.
func (c *Rows) Write(p []byte) (int, error) {
	c.r.write(p)
	return len(p), nil
}

// Count ends the count. It is nil where the file does not say for certain how many rows it has.
func (c *Rows) Count() *int64 {
	rows, err := c.r.end()
	if err != nil {
		return nil
	}
	return &rows
}

// saved is a count in progress. A table that is malformed stays so.
type saved struct {
	Head   []byte     `json:"head,omitempty"`
	Began  bool       `json:"began,omitempty"`
	Offset int64      `json:"offset,omitempty"`
	CtrlZ  bool       `json:"ctrl_z,omitempty"`
	Wrong  bool       `json:"wrong,omitempty"`
	Tables []position `json:"tables"`
}

var errUncounted = errors.New("an earlier attempt found no rows that could be counted")

// MarshalBinary lets a later attempt continue the count.
func (c *Rows) MarshalBinary() ([]byte, error) {
	s := saved{Head: c.r.head, Began: c.r.began, Offset: c.r.offset, CtrlZ: c.r.ctrlZ, Wrong: c.r.err != nil}
	for _, t := range c.r.tables {
		t.Wrong = t.err != nil
		s.Tables = append(s.Tables, t.position)
	}
	return json.Marshal(s)
}

// UnmarshalBinary continues the count of an earlier attempt at the same file.
func (c *Rows) UnmarshalBinary(state []byte) error {
	var s saved
	err := json.Unmarshal(state, &s)
	many := len(s.Tables)
	if err != nil || many == 0 || many > len(delimiters) || len(s.Head) > problem.HeadSize || s.Offset < 0 {
		return errors.New("not a count of rows")
	}
	r := &reader{form: c.r.form, head: s.Head, began: s.Began, offset: s.Offset, ctrlZ: s.CtrlZ}
	if s.Wrong {
		r.err = errUncounted
	}
	for _, p := range s.Tables {
		if p.State > closing || p.Records < 0 || p.Columns < 0 || p.Field < 0 || p.Header < 0 {
			return errors.New("not a count of rows")
		}
		t := newTable(Form{CSV: c.r.form.CSV, Delimiter: p.Delimiter})
		if t.position = p; p.Wrong {
			t.err = errUncounted
		}
		r.tables = append(r.tables, t)
	}
	c.r = r
	return nil
}
