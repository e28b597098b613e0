package verify

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inUTF16 encodes a text in little-endian UTF-16.
func inUTF16(text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}

const uncounted = -1

// The problem is what the check of a file says that has no rows, or that only the check refuses.
var rowCases = []struct {
	name, file, text string
	rows             int64
	problem          string
}{
	{name: "an empty file", text: ""},
	{name: "only empty lines", text: "\n\r\n\n"},
	{name: "header only", text: "h1,h2\n"},
	{name: "header only, not ended", text: "h1,h2"},
	{name: "records", text: "h\n1\n2\n", rows: 2},
	{name: "no final line break", file: "a.CSV", text: "h\n1\n2", rows: 2},
	{name: "CRLF", text: "h\r\n1\r\n2\r\n", rows: 2},
	{name: "CR", text: "h\r1\r2\r", rows: 2},
	{name: "CR, not ended", text: "h,i\r1,2\r3,4", rows: 2},
	{name: "CRLF and LF", text: "h\r\n1\n2\r\n3", rows: 3},
	{name: "CR CR LF", text: "h\r\r\n1\r\r\n2\r\r\n", rows: 2},
	{name: "LF and a final CR", text: "h\n1\n2\r", rows: 2},
	{name: "LF CR", text: "h\n\r1\n\r2\n\r", rows: 2},
	{name: "a CR within a line", text: "h,i\n1,a\rb\n2,c\n", rows: uncounted, problem: "line 2: a carriage return stands alone"},
	{name: "a CR within a line before any other", text: "h\r1\n", rows: uncounted, problem: "line 1: a carriage return stands alone"},
	{name: "a CR within a line, and CRLF", text: "h\r1\r\n2\r\n", rows: uncounted, problem: "line 1: a carriage return stands alone"},
	{name: "CR within quotes", text: "h,i\n1,\"a\rb\"\n2,c\n", rows: 2},
	{name: "empty lines", text: "h,i\n\n1,2\n\n\n3,4\n\n", rows: 2},
	{name: "empty CRLF lines", text: "\r\nh,i\r\n\r\n1,2\r\n\r\n", rows: 1},
	{name: "a line of blanks is a record", text: "h\n  \n1\n", rows: 2},
	{name: "a line of delimiters is a record", text: "h,i\n,\n1,2\n", rows: 2},
	{name: "a line with an empty quoted field is a record", text: "h\n\"\"\n1\n", rows: 2},

	{name: "a line break within quotes", text: "h\n\"1\n1\"\n2\n", rows: 2},
	{name: "CRLF within quotes", text: "h,i\r\n\"1\r\n1\",a\r\n2,b\r\n", rows: 2},
	{name: "an empty line within quotes", text: "h,i\n1,\"a\n\nb\"\n", rows: 1},
	{name: "a header with a line break", text: "\"h\nh\",i\n1,2\n", rows: 1},
	{name: "doubled quotes", text: "h\n\"a \"\"b\"\"\n\"\n", rows: 1},
	{name: "only doubled quotes", text: "h,i\n\"\"\"\",\"\"\"\n\"\"\"\n", rows: 1},
	{name: "a closing quote at the end", text: "h,i\n1,\"2\"", rows: 1},
	{name: "a stray quote", text: "h,i\n1,5\" pipe\n2,x\n3,y\n4,z\n", rows: 4},
	{name: "stray quotes", text: "h,i\n1,a \"b\" c\n2,5\"\n3,6\"\n4,z\n", rows: 4},
	{name: "a stray quote in one column", text: "h\n5\" pipe\nx\ny\nz\n", rows: 4},
	{name: "a quote after blanks", text: "h,i\n1, \"a\nb\"\n", rows: uncounted, problem: "line 2: blanks or a byte order mark precede a quote"},
	{name: "a quote after a byte order mark within the file", text: "h,i\n1,2\n\ufeff\"a\nb\",2\n", rows: uncounted, problem: "line 3: blanks or a byte order mark"},
	{name: "text after a closing quote", text: "h,i\n1,\"a\"b\n2,c\n", rows: uncounted, problem: "line 2: text follows the closing quote of a field"},
	{name: "blanks after a closing quote", text: "h,i\n\"a\" ,1\n", rows: uncounted, problem: "line 2: text follows the closing quote of a field"},
	{name: "a quote that a later one closes", text: "h,i\n1,\"a\n2,\"b\"\n3,c\n", rows: uncounted, problem: "line 3: text follows the closing quote of a field, which began in line 2"},
	{name: "an unclosed quote", text: "h,i\n1,\"abc\n2,x\n3,y\n", rows: uncounted, problem: "line 2: a quoted field begins that has no end: the file ends in a quoted field"},
	{name: "an unclosed quote at the very end", text: "h\n1\n\"", rows: uncounted, problem: "line 3: a quoted field begins that has no end"},
	{name: "an unclosed quote in the header", text: "\"h,i\n1,2\n", rows: uncounted, problem: "line 1: a quoted field begins that has no end"},

	{name: "semicolons", text: "h;i\n1;\"a\nb\"\n2;c\n", rows: 2},
	{name: "semicolons, all quoted", text: "\"h\";\"i\"\n\"1\";\"a\nb\"\n\"2\";\"c,d\"\n", rows: 2},
	{name: "semicolons, decimal commas", text: "h;i\n1,5;\"a\nb\"\n2,5;c\n", rows: 2},
	{name: "tabs", text: "h\ti\n1\t\"a\nb\"\n\t\"\"\n", rows: 2},
	{name: "pipes", text: "h|i\n1|\"a\n\"\n", rows: 1},
	{name: "commas, a semicolon in a quoted name", text: "\"h;1\",i\n1,\"a\nb\"\n", rows: 1},
	{name: "commas or semicolons, and it does not matter", text: "h,1;i\n1,2;\"a\"\n2;\"b\"\n", rows: 2},
	{name: "commas or semicolons, and it matters", text: "h,1;i\n1;\"a\nb\"\n2;c\n", rows: uncounted, problem: "the file has 3 rows if its columns are separated by ',', and 2 if by ';': give the delimiter"},
	{name: "an unknown delimiter", text: "h^i\n1^\"a\nb\"\n", rows: uncounted, problem: "line 2: a quote follows '^', by which columns may be separated"},
	{name: "an unknown delimiter and no quotes", text: "h^i\n1^a\n", rows: 1},
	{name: "one column, and more in the records", text: "h\n1,\"a\nb\"\n", rows: uncounted, problem: "line 2: a quote follows ',', by which columns may be separated"},
	{name: "one column, and two quoted ones in the records", text: "h\n\"\",\"\"\n", rows: uncounted, problem: "line 2: a quote follows ','"},
	{name: "one quoted column", text: "\"h\"\n\"a,\"\"b\n\"\n\"c\"\n", rows: 2},

	{name: "a byte order mark", text: "\ufeffh,i\n1,2\n", rows: 1},
	{name: "a byte order mark and quotes", text: "\ufeff\"h\n\",i\n1,2\n", rows: 1},
	{name: "only a byte order mark", text: "\ufeff"},
	{name: "Latin-1", text: "h,i\n1,M\xfcller\n", rows: 1},
	{name: "UTF-16", text: "\xff\xfe" + inUTF16("h,i\r\n1,2\r\n"), rows: uncounted, problem: "the file is UTF-16: save it as UTF-8"},
	{name: "UTF-16, big-endian", text: "\xfe\xff\x00h\x00\n\x001\x00\n", rows: uncounted, problem: "the file is UTF-16: save it as UTF-8"},
	{name: "UTF-16 without a mark", text: inUTF16("h,i\n1,2\n"), rows: uncounted, problem: "the file is UTF-16 without a byte order mark"},
	{name: "UTF-32", text: "\xff\xfe\x00\x00h\x00\x00\x00", rows: uncounted, problem: "the file is UTF-32"},
	{name: "NUL", text: "h,i\n1,\x00\n", rows: uncounted, problem: "the file holds a NUL byte at position 7"},
	{name: "NUL after the first bytes", text: "\ufeffh,iiiiii\n\"1\",\x00\n", rows: uncounted, problem: "the file holds a NUL byte at position 17"},
	{name: "a ZIP archive", text: "PK\x03\x04\x14\x00\n\n\n", rows: uncounted, problem: "the file is a ZIP archive or a workbook, not text"},
	{name: "gzip", text: "\x1f\x8b\x08\x08abcd\n", rows: uncounted, problem: "the file is compressed with gzip, not text"},
	{name: "Ctrl-Z", text: "h,i\r\n1,2\r\n\x1a", rows: 1, problem: "the file ends with Ctrl-Z (0x1A)"},
	{name: "Ctrl-Z after a record", text: "h,i\n1,2\x1a\x1a\n", rows: 1, problem: "the file ends with Ctrl-Z (0x1A)"},
	{name: "Ctrl-Z within the file", text: "h,i\n1,2\n\x1ah,i\n", rows: uncounted, problem: "the file holds Ctrl-Z (0x1A), the end-of-file mark of DOS, before its end"},
	{name: "a header without end", text: strings.Repeat("h", maxHeader+1) + "\n", rows: uncounted, problem: "line 1: the header is longer than"},

	{name: "lines", file: "a.dat", text: "1\n2\n", rows: 2},
	{name: "lines, not ended", file: "a.dat", text: "1\n2", rows: 2},
	{name: "empty lines are lines", file: "a.txt", text: "1\n\n2\n\n", rows: 4},
	{name: "lines that end with CR", file: "a.dat", text: "1\r\r2\r", rows: 3},
	{name: "lines that end with CRLF", file: "a.dat", text: "1\r\n\r\n2", rows: 3},
	{name: "lines with a CR within", file: "a.dat", text: "1\r2\n", rows: uncounted, problem: "line 1: a carriage return stands alone"},
	{name: "quotes in lines mean nothing", file: "a.txt", text: "\"1\n2\n", rows: 2},
	{name: "lines after a byte order mark", file: "a.txt", text: "\ufeff1\n", rows: 1},
	{name: "no lines", file: "a.dat", text: ""},
	{name: "lines in UTF-16", file: "a.txt", text: "\xff\xfe" + inUTF16("1\n"), rows: uncounted, problem: "the file is UTF-16"},
	{name: "lines and Ctrl-Z", file: "a.dat", text: "1\n2\n\x1a", rows: 2, problem: "the file ends with Ctrl-Z (0x1A)"},
	{name: "a workbook", file: "a.xlsx", text: "PK\x03\x04\n\n\n", rows: uncounted, problem: "the file is a ZIP archive"},
}

func TestRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range rowCases {
		t.Run(c.name, func(t *testing.T) {
			name, text := c.file, []byte(c.text)
			if name == "" {
				name = "a.csv"
			}
			count := func(split func(rest int) int) *int64 { return counted(t, name, text, split) }
			whole := count(func(rest int) int { return rest })
			if c.rows == uncounted {
				require.Nil(t, whole)
			} else {
				require.Equal(t, &c.rows, whole)
			}
			require.Equal(t, whole, count(func(int) int { return 1 }))
			for range 20 {
				require.Equal(t, whole, count(func(rest int) int { return 1 + random.IntN(rest) }))
			}

			found, err := ReadFigures(iotest.HalfReader(bytes.NewReader(text)), FormOf(name, Expect{Rows: n(0)}), nil)
			if c.problem == "" {
				require.NoError(t, err)
				require.Equal(t, whole, found.Rows)
				return
			}
			var malformed *FormatError
			require.ErrorAs(t, err, &malformed)
			require.ErrorContains(t, err, c.problem)
		})
	}
}

// counted counts a text in pieces, each by another attempt. Long texts keep their counter for most pieces.
func counted(t *testing.T, name string, text []byte, split func(rest int) int) *int64 {
	t.Helper()
	rows := NewRows(name)
	for pieces := 0; len(text) > 0; pieces++ {
		size := split(len(text))
		_, err := rows.Write(text[:size])
		require.NoError(t, err)
		text = text[size:]
		if pieces > 1000 && pieces%1000 > 0 {
			continue
		}
		state, err := rows.MarshalBinary()
		require.NoError(t, err)
		rows = NewRows(name)
		require.NoError(t, rows.UnmarshalBinary(state))
	}
	return rows.Count()
}

// Every text of few characters, some of them after a header.
func TestRows_shortTexts(t *testing.T) {
	const alphabet = "a,;\"\n\r "
	for _, header := range []string{"", "h\n", "h,i\n", "h;i\n1,", "h,j;k\r"} {
		texts, longest := []string{header}, []string{header}
		for range 4 {
			var longer []string
			for _, text := range longest {
				for _, c := range alphabet {
					longer = append(longer, text+string(c))
				}
			}
			texts, longest = append(texts, longer...), longer
		}
		for _, text := range texts {
			whole := counted(t, "a.csv", []byte(text), func(rest int) int { return rest })
			require.Equal(t, whole, counted(t, "a.csv", []byte(text), func(int) int { return 1 }), "%q", text)
			want, ok := reference([]byte(text), true)
			require.Equal(t, ok, whole != nil, "%q: %d", text, want)
			require.True(t, !ok || want == *whole, "%q: %d, not %d", text, whole, want)
		}
	}
}

// A file of which only the size is expected may be anything.
func TestReadFigures_needsNoRowsOfOtherFiles(t *testing.T) {
	found, err := ReadFigures(strings.NewReader("PK\x03\x04\x00"), FormOf("a.zip", Expect{Bytes: n(5)}), nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, found.Bytes)
	require.Nil(t, found.Rows)
}

func TestRows_UnmarshalBinary_refusesOthers(t *testing.T) {
	for _, state := range []string{"", "{}", "[]", "null", `{"tables":[]}`, `{"tables":[{"state":9}]}`, `{"tables":[{"records":-1}]}`,
		`{"offset":-1,"tables":[{}]}`, `{"tables":[{},{},{},{},{}]}`, `{"head":"QUFBQUFBQUFB","tables":[{}]}`, "\x00\x00\x00\x00\x00\x00\x00\x02\x01"} {
		assert.Error(t, NewRows("a.csv").UnmarshalBinary([]byte(state)), state)
	}
}

func FuzzRowsState(f *testing.F) {
	rows := NewRows("a.csv")
	_, _ = rows.Write([]byte("h,i\n1,\"a\n"))
	state, _ := rows.MarshalBinary()
	f.Add(state, []byte("b\"\n"))
	f.Add([]byte(`{"began":true,"tables":[{"records":9223372036854775807,"state":4}]}`), []byte("\n\"\r"))
	f.Fuzz(func(t *testing.T, state, text []byte) {
		rows := NewRows("a.csv")
		if rows.UnmarshalBinary(state) == nil {
			_, _ = rows.Write(text)
			_, err := rows.MarshalBinary()
			require.NoError(t, err)
			rows.Count()
		}
	})
}

func FuzzRows(f *testing.F) {
	for _, c := range rowCases {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text), 3, c.file == "")
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, size int, isCSV bool) {
		name := "a.dat"
		if isCSV {
			name = "a.csv"
		}
		size = max(size, 1)
		got := counted(t, name, text, func(rest int) int { return min(rest, size) })
		require.Equal(t, got, counted(t, name, text, func(rest int) int { return rest }), "%q", text)
		want, ok := reference(text, isCSV)
		require.Equal(t, ok, got != nil, "%q: %v", text, want)
		if ok {
			require.Equal(t, want, *got, "%q", text)
		}
	})
}

// reference counts rows by regular expressions, all text at once.
func reference(text []byte, isCSV bool) (int64, bool) {
	for _, magic := range []string{"\xff\xfe", "\xfe\xff", "PK\x03\x04", "PK\x05\x06", "\x1f\x8b", "BZh91AY&", "\xfd7zXZ",
		"\x28\xb5\x2f\xfd", "7z\xbc\xaf\x27\x1c", "%PDF-", "\xd0\xcf\x11\xe0", "\x00"} {
		if bytes.HasPrefix(text, []byte(magic)) {
			return 0, false
		}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if at := bytes.IndexByte(text, 0x1a); at >= 0 {
		if !regexp.MustCompile(`^[\x1a\r\n]*$`).Match(text[at:]) {
			return 0, false
		}
		text = text[:at]
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return 0, false
	}
	if !isCSV {
		return referenceLines(text)
	}
	var readings []reading
	several := false
	for _, delimiter := range []string{",", ";", "\t", "|"} {
		r := readAs(text, delimiter)
		if r.records > 0 || r.ok {
			readings = append(readings, r)
			several = several || r.columns > 1 && r.records > 0
		}
	}
	if len(readings) == 0 {
		return 0, false
	}
	if !several {
		return max(readings[0].records-1, 0), readings[0].ok
	}
	rows := int64(-1)
	for _, r := range readings {
		switch {
		case r.columns < 2:
		case !r.ok, rows >= 0 && rows != r.records-1:
			return 0, false
		default:
			rows = r.records - 1
		}
	}
	return rows, true
}

func referenceLines(text []byte) (int64, bool) {
	lone := regexp.MustCompile(`\r[^\n]`).Match(text) // not before the end
	if lone && bytes.IndexByte(text, '\n') >= 0 {
		return 0, false
	}
	lines := regexp.MustCompile(`[^\r\n]*(\r\n|\r|\n|$)`).FindAll(text, -1)
	count := int64(0)
	for _, line := range lines {
		if len(line) > 0 {
			count++
		}
	}
	return count, true
}

type reading struct {
	columns int // of the header, if it is well-formed
	records int64
	ok      bool
}

func readAs(text []byte, delimiter string) (r reading) {
	d := regexp.QuoteMeta(delimiter)
	emptyLine := regexp.MustCompile(`^(\r\n|\r|\n)`)
	field := regexp.MustCompile(`(?s)^(?:"(?:[^"]|"")*"|[^` + d + `\r\n]*)`)
	lf, lone := false, false
	for len(text) > 0 {
		if end := emptyLine.Find(text); end != nil {
			lf = lf || end[len(end)-1] == '\n'
			text = text[len(end):]
			continue
		}
		columns, line := 0, []byte(nil)
		for {
			found := field.Find(text)
			blanks := found
			for len(blanks) > 0 && bytes.IndexByte([]byte("\xef\xbb\xbf\xc2\xa0 \t"), blanks[0]) >= 0 {
				blanks = blanks[1:]
			}
			isQuoted := bytes.HasPrefix(found, []byte{'"'})
			if isQuoted && len(found) == 1 || !isQuoted && len(blanks) < len(found) && bytes.HasPrefix(blanks, []byte{'"'}) {
				return r
			}
			if isQuoted && !bytes.HasSuffix(found, []byte{'"'}) {
				return r // it has no end
			}
			first := r.records == 0 && columns == 0 || r.records > 0 && r.columns == 1
			if first && doubtful(line, found) {
				return r
			}
			line = append(line, found...)
			text = text[len(found):]
			columns++
			if !bytes.HasPrefix(text, []byte(delimiter)) {
				break
			}
			line, text = append(line, delimiter...), text[1:]
		}
		end := emptyLine.Find(text)
		if end == nil && len(text) > 0 {
			return r
		}
		if len(end) > 0 && end[len(end)-1] == '\n' {
			lf = true
		}
		text = text[len(end):]
		if string(end) == "\r" && len(text) > 0 && text[0] != '\r' {
			lone = true
		}
		if r.records == 0 {
			r.columns = columns
		}
		r.records++
		if lf && lone {
			return r
		}
	}
	r.ok = !(lf && lone)
	return r
}

// doubtful reports whether a quote of a field, which is not the first of its line, follows what may be a delimiter.
func doubtful(line, found []byte) bool {
	if bytes.HasPrefix(found, []byte{'"'}) {
		return len(line) > 0
	}
	for at, c := range found {
		before := bytes.TrimRight(append(bytes.Clone(line), found[:at]...), " ")
		if c == '"' && len(before) > 0 && bytes.IndexByte([]byte(",;\t|^~:#!*@%&\x01\x02\x1c\x1d\x1e\x1f"), before[len(before)-1]) >= 0 {
			return true
		}
	}
	return false
}

// The check agrees with encoding/csv on the records that it accepts, and with math/big on totals.
func FuzzReadFigures(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a\r\n\"1\"\r\n", "a\n\"1\n\"\n\r\r\n", "a\n\"1\"\"\n", "a,b\n,\n\"\",1", "a\"\n", "\"a\"\r", "a\n 1 \n-.5\n",
		"\xef\xbb", "\xef\xbba\n1\n", "b,a\n1,999999999999999999\n2,999999999999999999.99\n3,9223372036854775807\n4,-1\n", "a\n.000000000000000001\n99999999\n"} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 || bytes.ContainsAny(text, "\x00\x1a") || bytes.HasPrefix(text, []byte("\ufeff")) ||
			regexp.MustCompile(`\r[^\n]|\r$`).Match(text) {
			return
		}
		if _, ok := reference(text, false); !ok {
			return
		}
		reader := csv.NewReader(bytes.NewReader(text))
		reader.FieldsPerRecord = -1
		records, wrong := reader.ReadAll()
		form := Form{CSV: true, Delimiter: ','}
		found, err := inPieces(text, size, form)
		switch {
		case errors.Is(wrong, csv.ErrBareQuote): // which is text, unless nobody can tell
			return
		case wrong != nil:
			require.Error(t, err, "%q: encoding/csv: %v", text, wrong)
			return
		}
		require.NoError(t, err, "%q", text)
		require.EqualValues(t, max(len(records)-1, 0), *found.Rows, "%q", text)
		if len(records) == 0 {
			return
		}
		column := len(records[0]) - 1
		name := strings.TrimSpace(records[0][column])
		form.Columns = []string{name}
		found, err = inPieces(text, size, form)
		want, ok := totalOf(records, column)
		require.Equal(t, ok, err == nil, "%q: %v", text, err)
		if ok {
			total, _ := new(big.Rat).SetString(found.Totals[name])
			require.Zero(t, want.Cmp(total), "%q: %s, %s", text, want, total)
		}
	})
}

// inPieces reads the figures of a text in pieces of a size.
func inPieces(text []byte, size int, form Form) (Figures, error) {
	var pieces []string
	for len(text) > 0 {
		n := min(size, len(text))
		pieces, text = append(pieces, string(text[:n])), text[n:]
	}
	return ReadFigures(&inTurn{pieces}, form, nil)
}

func totalOf(records [][]string, column int) (*big.Rat, bool) {
	for at, other := range records[0] {
		if at != column && strings.TrimSpace(other) == strings.TrimSpace(records[0][column]) {
			return nil, false
		}
	}
	total := new(big.Rat)
	for _, record := range records[1:] {
		if column >= len(record) {
			return nil, false
		}
		text := strings.TrimSpace(record[column])
		if text == "" {
			continue
		}
		if len(text) > maxNumber || !isNumber(text) {
			return nil, false
		}
		value, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil, false
		}
		total.Add(total, value)
	}
	return total, true
}

// Sums are exact, and keep their digits, wherever they stop fitting an integer.
func TestReadFigures_sumsBeyondIntegers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"9223372036854775807\n1\n", "9223372036854775808"},
		{"999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n999999999999999999\n", "9999999999999999990"},
		{"-999999999999999999.99\n.01\n", "-999999999999999999.98"},
		{".000000000000000001\n999999999999999999\n", "999999999999999999.000000000000000001"},
		{"0000000000000000000001.50\n1\n", "2.50"},
		{"-0.00\n", "0.00"},
		{"1.\n+2\n", "3"},
		{"\n\"\"\n \n", "0"},
	} {
		found, err := ReadFigures(strings.NewReader("A\n"+c.text), Form{CSV: true, Columns: []string{"A"}}, nil)
		require.NoError(t, err)
		assert.Equal(t, c.want, found.Totals["A"], c.text)
	}
	for _, text := range []string{".", "-", "+.", "1..2", "1-", "--1", "1 2", "1e5", "0x1", "١"} {
		_, err := ReadFigures(strings.NewReader("A\n"+text+"\n"), Form{CSV: true, Columns: []string{"A"}}, nil)
		assert.ErrorContains(t, err, "is not a decimal number such as -1234.56", text)
	}
}

// inTurn reads pieces, one at a time.
type inTurn struct{ pieces []string }

func (r *inTurn) Read(p []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; r.pieces[0] == "" {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}
