package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode"
)

// state is where in a field the next character is.
type state uint8

const (
	atField state = iota // at its beginning
	blank                // after blanks at its beginning
	plain
	quoted
	closing // after a quote in a quoted field: its end, or the first of two
)

const maxHeader = 1 << 20 // bytes

// position is where in a file a table is, as far as a later attempt needs it to continue.
type position struct {
	Delimiter byte  `json:"delimiter,omitempty"`
	Guessed   bool  `json:"guessed,omitempty"` // the delimiter is one of several that the file may have
	State     state `json:"state,omitempty"`
	Begun     bool  `json:"begun,omitempty"` // the line has begun
	Last      byte  `json:"last,omitempty"`  // the last byte of the piece before, in a plain field
	Field     int   `json:"field,omitempty"` // its number, from 0, in the header and up to the last column of a total
	Header    int   `json:"header,omitempty"`
	Columns   int   `json:"columns,omitempty"` // of the header
	Records   int64 `json:"records,omitempty"` // with the header; of other files the lines
	Line      int64 `json:"line,omitempty"`
	Opened    int64 `json:"opened,omitempty"` // the line in which the quoted field begins

	// A line ends with a line feed, a carriage return, or both. In a file with line feeds, a carriage return alone
	// may as well be a part of the text.
	AfterCR  bool  `json:"after_cr,omitempty"`  // the last byte was a carriage return
	EmptyCR  bool  `json:"empty_cr,omitempty"`  // and ended an empty line
	LineFeed bool  `json:"line_feed,omitempty"` // a line ended with a line feed
	LoneCR   int64 `json:"lone_cr,omitempty"`   // the first line that ended with a carriage return alone
	Wrong    bool  `json:"wrong,omitempty"`
}

// table reads CSV with one delimiter, in pieces, or lines. It follows RFC 4180 and what real files add to it: a
// quote within a field that does not begin with one is text, empty lines are no records, records may differ in
// length as long as they have the columns of the totals, and a line ends with a line feed, a carriage return or both.
//
// It goes from one delimiter, quote or line end to the next, and copies only what spans two pieces.
type table struct {
	position
	form   Form
	err    error
	sums   []*sum   // by column; nil if its total is not needed
	gaps   []int    // by column; how many come before the next whose total is needed
	found  [][]byte // by column; fields of a record
	kept   []byte   // of the field, if its value is needed
	header []string
}

func newTable(form Form) *table {
	return &table{form: form, position: position{Delimiter: form.Delimiter, Line: 1}}
}

func (t *table) rows() int64 {
	if t.form.CSV {
		return max(t.Records-1, 0)
	}
	return t.Records
}

func (t *table) malformed(format string, args ...any) {
	t.malformedIn(t.Line, format, args...)
}

func (t *table) malformedIn(line int64, format string, args ...any) {
	if t.err == nil {
		t.err = &FormatError{Line: line, Message: fmt.Sprintf(format, args...)}
	}
}

// next is the index of the first c from i on, len(p) if there is none. It was known before i reached it.
func next(p []byte, i, known int, c byte) int {
	if known >= i {
		return known
	}
	if at := bytes.IndexByte(p[i:], c); at >= 0 {
		return i + at
	}
	return len(p)
}

func (t *table) take(p []byte) {
	lf, cr, quote := -1, -1, -1
	for i := 0; i < len(p) && t.err == nil; {
		if t.AfterCR && t.State != quoted {
			t.AfterCR = false
			if p[i] == '\n' {
				t.LineFeed = true
				i++
			} else {
				t.loneCR(p[i])
			}
			t.checkLineEnds()
			continue
		}
		lf, cr = next(p, i, lf, '\n'), next(p, i, cr, '\r')
		end := min(lf, cr)
		switch {
		case t.State == quoted:
			quote = next(p, i, quote, '"')
			t.quotedText(p[i:quote], end < quote)
			if i = quote; i < len(p) {
				t.State, t.AfterCR = closing, false
				i++
			}
		case t.State == closing:
			t.afterQuote(p[i])
			i++
		case !t.form.CSV:
			i = t.skip(p, i, end)
		case t.State == atField && p[i] == '"':
			t.open()
			i++
		case t.Records == 0 || t.Field < len(t.sums):
			quote = next(p, i, quote, '"')
			if after := t.records(p, i, quote); after > i {
				i = after
				continue
			}
			i = t.field(p, i, end)
		default:
			if quote = next(p, i, quote, '"'); quote < end {
				i = t.skipToQuote(p, i, quote)
			} else {
				i = t.skip(p, i, end)
			}
		}
	}
}

// records takes whole records without quotes before the limit, and adds up their totals. What is not so simple, it
// leaves to the others.
func (t *table) records(p []byte, i, limit int) int {
	for cr := -1; t.Records > 0 && !t.Begun && t.LoneCR == 0 && t.err == nil; {
		length := bytes.IndexByte(p[i:limit], '\n')
		if length < 0 {
			break
		}
		lineEnd := i + length
		end := lineEnd
		if cr = next(p, i, cr, '\r'); cr == lineEnd-1 {
			end = cr
		}
		if cr < end || end == i || !t.find(near(p, end), i, end) {
			break
		}
		for t.Field = range t.sums {
			if s := t.sums[t.Field]; s != nil {
				t.addTo(s, t.found[t.Field])
			}
		}
		t.Records++
		t.Line++
		t.Field, t.LineFeed = 0, true
		i = lineEnd + 1
	}
	return i
}

// find finds the fields of totals in a record without quotes.
func (t *table) find(p []byte, i, end int) bool {
	for column := 0; ; column++ {
		if gap := t.gaps[column]; gap > 0 {
			i = nth(p, i, gap, t.Delimiter) + 1
			column += gap
		}
		if i > end {
			return false
		}
		fieldEnd := min(nth(p, i, 1, t.Delimiter), end)
		if fieldEnd-i > maxNumber {
			return false
		}
		t.found[column] = p[i:fieldEnd]
		if column == len(t.sums)-1 {
			return true
		}
		i = fieldEnd + 1
	}
}

// near leaves out what is far behind the limit.
func near(p []byte, limit int) []byte { return p[:min(limit+8, len(p))] }

// nth is the index of the n-th c from i on, len(p) if there is none. It counts in eight bytes at once.
func nth(p []byte, i, n int, c byte) int {
	const ones, lows = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	for ; i+8 <= len(p); i += 8 {
		word := binary.LittleEndian.Uint64(p[i:]) ^ ones*uint64(c)
		found := ^((word&lows + lows) | word | lows) // 0x80 in each byte that is c
		if many := bits.OnesCount64(found); many < n {
			n -= many
			continue
		}
		for ; n > 1; n-- {
			found &= found - 1
		}
		return i + bits.TrailingZeros64(found)/8
	}
	for ; i < len(p); i++ {
		if p[i] == c {
			if n--; n == 0 {
				return i
			}
		}
	}
	return i
}

// field takes a field that does not begin with a quote, or the rest of one, with the delimiter or line end after it.
func (t *table) field(p []byte, i, lineEnd int) int {
	end := lineEnd
	if at := nth(near(p, lineEnd), i, 1, t.Delimiter); at < lineEnd {
		end = at
	}
	text := p[i:end]
	if t.State != plain && len(text) > 0 {
		begin := 0
		for begin < len(text) && isBlank(text[begin]) {
			begin++
		}
		switch {
		case begin == len(text):
			t.State = blank
		case text[begin] == '"':
			t.quoteAfterBlanks()
		default:
			t.State = plain
		}
	}
	if t.Guessed && t.Field == 0 {
		t.guessedQuotes(text)
	}
	t.Begun = t.Begun || len(text) > 0
	switch {
	case end == len(p):
		t.keep(text)
		return end
	case end < lineEnd:
		t.endField(text)
	case t.Begun:
		t.endField(text)
		t.endLine(p[end])
	default:
		t.endLine(p[end])
	}
	return end + 1
}

// skip takes text without quotes whose fields are not needed, with the line end after it.
func (t *table) skip(p []byte, i, end int) int {
	t.Begun = t.Begun || end > i
	if end < len(p) {
		t.endLine(p[end])
		return end + 1
	}
	t.State, t.Last = t.after(p[i:end]), t.lastOf(p[i:end])
	return end
}

// skipToQuote takes text whose fields are not needed, and the quote after it.
func (t *table) skipToQuote(p []byte, i, quote int) int {
	text := p[i:quote]
	state, last := t.after(text), t.lastOf(text)
	t.Begun = t.Begun || len(text) > 0
	switch {
	case state == blank:
		t.quoteAfterBlanks()
	case state == atField:
		t.open()
	case t.Guessed && t.Columns == 1 && mayDelimit(last):
		t.quoteAfterDelimiter(last)
	default:
		t.State, t.Last = plain, '"'
	}
	t.Begun = true
	return quote + 1
}

// guessedQuotes refuses a quote in what may be another delimiter's field.
func (t *table) guessedQuotes(text []byte) {
	for {
		at := bytes.IndexByte(text, '"')
		if at < 0 {
			break
		}
		if last := t.lastOf(text[:at]); mayDelimit(last) {
			t.quoteAfterDelimiter(last)
		}
		text, t.Last = text[at+1:], '"'
	}
	t.Last = t.lastOf(text)
}

// mayDelimit reports whether somebody may separate columns by c.
func mayDelimit(c byte) bool {
	return strings.IndexByte(delimiters+"^~:#!*@%&\x01\x02\x1c\x1d\x1e\x1f", c) >= 0
}

// lastOf is the last character that is not blank of a line so far, with more text.
func (t *table) lastOf(text []byte) byte {
	if text = bytes.TrimRight(text, " "); len(text) > 0 {
		return text[len(text)-1]
	}
	return t.Last
}

// after is the state after more text without quotes.
func (t *table) after(text []byte) state {
	n := len(text)
	for n > 0 && isBlank(text[n-1]) && text[n-1] != t.Delimiter {
		n--
	}
	switch {
	case len(text) == 0 || n == 0 && t.State == plain:
		return t.State
	case n > 0 && text[n-1] != t.Delimiter:
		return plain
	case n == len(text):
		return atField
	}
	return blank
}

// isBlank reports whether c is a blank, or a part of a byte order mark or of a blank that does not break.
func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == 0xef || c == 0xbb || c == 0xbf || c == 0xc2 || c == 0xa0
}

// open begins a quoted field. Below a header of one column, nobody knows what separates columns.
func (t *table) open() {
	if t.Guessed && t.Columns == 1 && t.Begun {
		t.quoteAfterDelimiter(t.Delimiter)
	}
	t.State, t.Begun, t.Opened = quoted, true, t.Line
}

// quotedText takes text of a quoted field.
func (t *table) quotedText(text []byte, breaks bool) {
	if len(text) == 0 {
		return
	}
	t.keep(text)
	if !breaks && !t.AfterCR {
		return
	}
	t.Line += int64(bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) - bytes.Count(text, []byte("\r\n")))
	if t.AfterCR && text[0] == '\n' {
		t.Line--
	}
	t.AfterCR = text[len(text)-1] == '\r'
}

// afterQuote takes what follows a quote in a quoted field.
func (t *table) afterQuote(c byte) {
	switch c {
	case '"':
		t.State = quoted
		t.keep([]byte{c})
	case t.Delimiter:
		t.endField(nil)
	case '\r', '\n':
		t.endField(nil)
		t.endLine(c)
	default:
		t.malformed("text follows the closing quote of a field%s", t.opened())
	}
}

// opened says where the quoted field began, if that is another line.
func (t *table) opened() string {
	if t.Opened == t.Line {
		return ""
	}
	return fmt.Sprintf(", which began in line %d", t.Opened)
}

func (t *table) quoteAfterBlanks() {
	t.malformed("blanks or a byte order mark precede a quote: whether it opens the field is not certain")
}

func (t *table) quoteAfterDelimiter(c byte) {
	t.malformed("a quote follows %q, by which columns may be separated: give the delimiter", c)
}

// sum is that of the field, if its total is needed.
func (t *table) sum() *sum {
	if t.Records == 0 || t.Field >= len(t.sums) {
		return nil
	}
	return t.sums[t.Field]
}

// keep adds to the field if its value is needed.
func (t *table) keep(text []byte) {
	if t.Records == 0 {
		if t.Header += len(text); t.Header > maxHeader {
			t.malformed("the header is longer than %d bytes: this is not a CSV file", maxHeader)
		}
		if len(t.form.Columns) > 0 {
			t.kept = append(t.kept, text...)
		}
		return
	}
	if t.sum() == nil {
		return
	}
	t.kept = append(t.kept, text...)
	if len(t.kept) <= maxNumber+64 {
		return
	}
	if t.kept = narrow(t.kept); len(t.kept) > maxNumber+64 {
		t.malformed("column %s: %.40q is not a decimal number such as -1234.56", t.header[t.Field], t.kept)
	}
}

// narrow drops the space before a number, and all but one blank of the space after it: more text may follow.
func narrow(text []byte) []byte {
	text = bytes.TrimLeftFunc(text, unicode.IsSpace)
	number := bytes.TrimRightFunc(text, unicode.IsSpace)
	if len(number) < len(text) {
		number = append(number, ' ')
	}
	return number
}

// endField ends a field with its last text.
func (t *table) endField(text []byte) {
	s := t.sum()
	if t.Records == 0 || s != nil && (len(t.kept) > 0 || len(text) > maxNumber) {
		t.keep(text)
		text = t.kept
	}
	switch {
	case t.Records == 0 && len(t.form.Columns) > 0:
		t.header = append(t.header, string(text))
	case s != nil && t.err == nil:
		t.addTo(s, text)
	}
	t.kept, t.State, t.Begun = t.kept[:0], atField, true
	t.Field++
}

func (t *table) addTo(s *sum, field []byte) {
	if err := s.add(field); err != nil {
		t.malformed("column %s: %v", t.header[t.Field], err)
	}
}

// endLine ends a line, which is a record unless it is empty.
func (t *table) endLine(end byte) {
	if t.err != nil {
		return
	}
	if t.Begun || !t.form.CSV {
		t.endRecord()
	}
	t.EmptyCR = !t.Begun
	t.State, t.Begun, t.Last, t.Field = atField, false, 0, 0
	t.Line++
	if t.AfterCR = end == '\r'; !t.AfterCR {
		t.LineFeed = true
		t.checkLineEnds()
	}
}

func (t *table) endRecord() {
	if t.Records == 0 {
		t.Columns = t.Field
		t.findColumns()
	}
	if t.Field < len(t.sums) {
		t.malformed("has %d of the %d columns that the totals need", t.Field, len(t.sums))
	}
	t.Records++
}

// loneCR notes a carriage return without a line feed. Beside an empty line it makes no difference.
func (t *table) loneCR(after byte) {
	if t.LoneCR == 0 && !(t.form.CSV && (t.EmptyCR || after == '\r')) {
		t.LoneCR = t.Line - 1
	}
}

func (t *table) checkLineEnds() {
	if t.LineFeed && t.LoneCR > 0 {
		t.malformedIn(t.LoneCR, "a carriage return stands alone, while other lines end with a line feed: "+
			"whether it ends a line is not certain")
	}
}

func (t *table) findColumns() {
	for i, name := range t.header {
		t.header[i] = strings.TrimSpace(name)
	}
	for _, name := range t.form.Columns {
		at := slices.Index(t.header, name)
		switch {
		case at < 0:
			t.malformed("there is no column %s; the header has %.200s", name, strings.Join(t.header, ", "))
			return
		case slices.Contains(t.header[at+1:], name):
			t.malformed("the header has the column %s twice", name)
			return
		}
		for len(t.sums) <= at {
			t.sums = append(t.sums, nil)
		}
		t.sums[at] = new(sum)
	}
	t.gaps, t.found = make([]int, len(t.sums)), make([][]byte, len(t.sums))
	for at := len(t.sums) - 1; at >= 0; at-- {
		if t.sums[at] == nil {
			t.gaps[at] = t.gaps[at+1] + 1 // the last one is needed
		}
	}
}

// end ends the file.
func (t *table) end() {
	switch {
	case t.err != nil:
	case t.State == quoted:
		t.malformedIn(t.Opened, "a quoted field begins that has no end: the file ends in a quoted field")
	case t.Begun:
		if t.State == closing || t.Records == 0 || t.Field < len(t.sums) {
			t.endField(nil)
		}
		t.endRecord()
	}
	if t.Records == 0 && len(t.form.Columns) > 0 {
		t.malformed("the file has no header")
	}
}

// totalsOf are the sums of the columns by their names.
func (t *table) totals() map[string]string {
	var totals map[string]string
	for at, s := range t.sums {
		if s == nil {
			continue
		}
		if totals == nil {
			totals = map[string]string{}
		}
		totals[t.header[at]] = s.String()
	}
	return totals
}
