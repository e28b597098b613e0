package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func n(value int64) *int64 { return &value }

func TestReadFigures(t *testing.T) {
	blanks := strings.Repeat(" ", 300)
	totals := func(columns ...string) Form { return Form{CSV: true, Delimiter: ',', Columns: columns} }
	for _, c := range []struct {
		name, text string
		form       Form
		rows       int64
		totals     map[string]string
		problem    string
	}{
		{name: "lines", text: "a\nb\n\nc", rows: 4},
		{name: "no lines", text: ""},
		{name: "rows below the header", text: "h\n1\n2\n", form: totals(), rows: 2},
		{name: "empty lines are none", text: "h\r\n\r\n1\n\n\n2\r\n\r", form: totals(), rows: 2},
		{name: "an empty file", text: "", form: totals()},
		{name: "a line break within quotes", text: "h,i\n\"a\nb\",1\n", form: totals("i"), rows: 1, totals: map[string]string{"i": "1"}},
		{name: "cents that floats lose", text: "ID,BALANCE\n1,0.1\n2,0.2\n3,9007199254740993.01\n", form: totals("BALANCE"), rows: 3, totals: map[string]string{"BALANCE": "9007199254740993.31"}},
		{name: "signs, space, empty values, quotes", text: "A,B\n-1.50,+2\n\" 1.5 \",\n.5,\"3\"\n", form: totals("A", "B"), rows: 3, totals: map[string]string{"A": "0.50", "B": "5"}},
		{name: "columns of a fixed width", text: "A,B\n" + blanks + "1" + blanks + "," + blanks + "\n\"" + blanks + "-2\"," + blanks + blanks + "\n", form: totals("A", "B"), rows: 2, totals: map[string]string{"A": "-1", "B": "0"}},
		{name: "a byte order mark", text: "\ufeffA\n1\n", form: totals("A"), rows: 1, totals: map[string]string{"A": "1"}},
		{name: "a byte order mark before a quote", text: "\ufeff\"A\",\"B\"\r\n\"1\",\"2.50\"\r\n", form: totals("A", "B"), rows: 1, totals: map[string]string{"A": "1", "B": "2.50"}},
		{name: "a byte order mark before an empty line", text: "\ufeff\nA\n1\n", form: totals("A"), rows: 1, totals: map[string]string{"A": "1"}},
		{name: "nothing behind a byte order mark", text: "\ufeff", form: totals()},
		{name: "the beginning of a byte order mark is text", text: "\xef\xbbA,B\n1,2\n", form: totals("\xef\xbbA"), rows: 1, totals: map[string]string{"\xef\xbbA": "1"}},
		{name: "nothing behind the beginning of one", text: "\xef\xbb", form: totals("\xef\xbb"), totals: map[string]string{"\xef\xbb": "0"}},
		{name: "another delimiter", text: "A|B\n1|2,5\n", form: Form{CSV: true, Delimiter: '|', Columns: []string{"A"}}, rows: 1, totals: map[string]string{"A": "1"}},
		{name: "no rows", text: "A\n", form: totals("A"), totals: map[string]string{"A": "0"}},
		{name: "two columns of several", text: "K,A,L,B,M\r\nk,1,l,2.5,m\r\n\r\n\"k,\r\n\",3,l,\"4\",m\r\nk,,\"l\"\"\",-1\r\nk,5,l,6\r\n,7,,8,,\r\nk,9,l,10", form: totals("A", "B"),
			rows: 6, totals: map[string]string{"A": "25", "B": "29.5"}},
		{name: "CR and totals", text: "K,A\rk,1\rk,2\r", form: totals("A"), rows: 2, totals: map[string]string{"A": "3"}},
		{name: "a trailer with the column", text: "K,A\nD,1\nT,1,end\n", form: totals("A"), rows: 2, totals: map[string]string{"A": "2"}},

		{name: "a second byte order mark is text", text: "\ufeff\ufeff\"A\"\n", form: totals(), problem: "line 1: blanks or a byte order mark precede a quote"},
		{name: "no such column", text: "A,B\n1,2\n", form: totals("C"), problem: "line 1: there is no column C; the header has A, B"},
		{name: "a column twice", text: "A,A\n1,2\n", form: totals("A"), problem: "line 1: the header has the column A twice"},
		{name: "a short row after long ones", text: "A,B,C\n1,2,3\n1,2,3\n4,5\n6,7,8\n", form: totals("C"), problem: "line 4: has 2 of the 3 columns"},
		{name: "a wrong number after right ones", text: "A,B,C\r\n1,2,3\r\n\r\n1,2,3\r\n4,5x,6\r\n6,7,8\r\n", form: totals("A", "B"), problem: `line 5: column B: "5x" is not a decimal number`},
		{name: "a CR within a row with totals", text: "A,B,C\n1,2,3\n1,\r2,3\n", form: totals("C"), problem: "line 3: "},
		{name: "a short row", text: "A,B\n1,2\n\n3\n", form: totals("B"), problem: "line 4: has 1 of the 2 columns"},
		{name: "not a number", text: "A\n\"1\n\"\n1e5\n", form: totals("A"), problem: `line 4: column A: "1e5" is not a decimal number`},
		{name: "two numbers far apart", text: "A\n1" + blanks + "2" + blanks + "\n", form: totals("A"), problem: `is not a decimal number`},
		{name: "thousands", text: "A\n\"1,000.00\"\n", form: totals("A"), problem: `"1,000.00" is not a decimal number`},
		{name: "infinity", text: "A\nInfinity\n", form: totals("A"), problem: `is not a decimal number`},
		{name: "a number without end", text: "A\n" + strings.Repeat("1", 10_000) + "\n", form: totals("A"), problem: `is not a decimal number`},
		{name: "a header without end", text: strings.Repeat("a", maxHeader+1), form: totals(), problem: "the header is longer"},
		{name: "a bare quote in a number", text: "A\n1\"\n", form: totals("A"), problem: `line 2: column A: "1\"" is not a decimal number`},
		{name: "text after a quote", text: "A\n\"1\"2\n", form: totals(), problem: "line 2: text follows"},
		{name: "cut off within quotes", text: "A\n\"1\n", form: totals(), problem: "the file ends in a quoted field"},
		{name: "totals of nothing", text: "\n", form: totals("A"), problem: "the file has no header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sum := sha256.Sum256([]byte(c.text))
			for _, reader := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text)), iotest.DataErrReader(strings.NewReader(c.text))} {
				found, err := ReadFigures(reader, c.form, nil)
				assert.EqualValues(t, len(c.text), found.Bytes)
				assert.Equal(t, hex.EncodeToString(sum[:]), found.SHA256)
				if c.problem != "" {
					var malformed *FormatError
					require.ErrorAs(t, err, &malformed)
					require.ErrorContains(t, err, c.problem)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, &c.rows, found.Rows)
				require.Equal(t, c.totals, found.Totals)
			}
		})
	}
}

func TestReadFigures_returnsReadErrors(t *testing.T) {
	_, err := ReadFigures(iotest.TimeoutReader(iotest.HalfReader(strings.NewReader("A\n1\n"))), Form{CSV: true, Delimiter: ','}, nil)
	require.ErrorIs(t, err, iotest.ErrTimeout)
}

func TestExpect_Compare(t *testing.T) {
	found := Figures{Bytes: 10, Rows: n(2), SHA256: strings.Repeat("ab", 32), Totals: map[string]string{"A": "1.50"}}
	for _, c := range []struct {
		expected Expect
		want     []string
	}{
		{Expect{Bytes: n(10), Rows: n(2), SHA256: strings.Repeat("AB", 32), Totals: map[string]string{"A": "1.5"}, MinRows: n(2), MaxRows: n(2)}, nil},
		{Expect{Bytes: n(11), Rows: n(0)}, []string{"bytes: expected 11 (m), found 10", "rows: expected 0 (m), found 2"}},
		{Expect{MinRows: n(3)}, []string{"rows: expected at least 3 (m), found 2"}},
		{Expect{MaxRows: n(1)}, []string{"rows: expected at most 1 (m), found 2"}},
		{Expect{SHA256: strings.Repeat("0", 64)}, []string{"sha256: expected " + strings.Repeat("0", 64) + " (m), found " + found.SHA256}},
		{Expect{Totals: map[string]string{"A": "1.51", "B": "0"}}, []string{"total A: expected 1.51 (m), found 1.50", "total B: expected 0 (m), found none"}},
	} {
		var texts []string
		for _, m := range c.expected.Compare(found, "m") {
			texts = append(texts, m.String())
		}
		assert.Equal(t, c.want, texts)
	}
}

func TestExpect_Problems(t *testing.T) {
	var texts []string
	for _, f := range (Expect{Rows: n(-1), MinRows: n(2), MaxRows: n(1), SHA256: "abc", Totals: map[string]string{"A": "1e5"}, Delimiter: `"`}).Problems() {
		texts = append(texts, f.Path+" "+f.Message)
	}
	assert.Equal(t, []string{"rows must not be negative", "min_rows is more than max_rows", `sha256 "abc" is not a SHA-256: 64 hex digits`,
		`totals.A "1e5" is not a decimal number such as -1234.56`, `delimiter "\"" is not a delimiter: one character such as ; or |`}, texts)
	assert.Len(t, Expect{}.Problems(), 1)
	assert.Empty(t, Expect{Manifest: "inbox/x"}.Problems())
	assert.Empty(t, Expect{Rows: n(0), Delimiter: ";"}.Problems())
}

func TestFormOf(t *testing.T) {
	assert.Equal(t, Form{CSV: true}, FormOf("inbox/gl.CSV"))
	assert.Equal(t, Form{}, FormOf("inbox/gl.dat", Expect{Bytes: n(1)}))
	assert.Equal(t, Form{Rows: true}, FormOf("inbox/gl.dat", Expect{Rows: n(1)}))
	assert.Equal(t, Form{CSV: true, Delimiter: '|', Columns: []string{"A", "B"}},
		FormOf("gl.dat", Expect{Totals: map[string]string{"B": "1", "A": "1"}, Delimiter: "|"}, Expect{Totals: map[string]string{"A": "2"}}))
}

func TestParseManifest(t *testing.T) {
	e, err := ParseManifest([]byte("\ufeff"+`{"file":"gl.csv","rows":100,"bytes":5120,"sha256":"`+strings.Repeat("a", 64)+`","totals":{"A":"1.50","B":90071992547409931.10}}`), "gl.csv")
	require.NoError(t, err)
	assert.Equal(t, Expect{Rows: n(100), Bytes: n(5120), SHA256: strings.Repeat("a", 64), Totals: map[string]string{"A": "1.50", "B": "90071992547409931.10"}}, e)
	for text, want := range map[string]string{
		"":                                 "is not a manifest",
		"[]":                               "is not a manifest",
		`{}`:                               "expects nothing",
		`{"file":"gl.csv"}`:                "expects nothing",
		`{"rows":1,"sha265":""}`:           "sha265: there is no such field",
		`{"rows":1}{"rows":2}`:             "text after the JSON object",
		`{"rows":-1}`:                      "rows must not be negative",
		`{"rows":1.5}`:                     "is not a manifest",
		`{"rows":1,"file":"other.csv"}`:    `file is "other.csv", not "gl.csv"`,
		`{"totals":{"A":1e5}}`:             "is not a decimal number",
		`{"rows":"2"}`:                     "is not a manifest: rows: must be a whole number, not a text",
		`{"rows":[2]}`:                     "is not a manifest: rows: must be a whole number, not a list",
		`{"rows":2.0}`:                     "is not a manifest: rows: must be a whole number, not 2.0",
		`{"bytes":{"total":2}}`:            "is not a manifest: bytes: must be a whole number, not an object",
		`{"bytes":true}`:                   "is not a manifest: bytes: must be a whole number, not true or false",
		`{"sha256":5}`:                     "is not a manifest: sha256: must be a text, not a number",
		`{"file":["gl.csv"]}`:              "is not a manifest: file: must be a text, not a list",
		`{"totals":["1.50"]}`:              "is not a manifest: totals: must be an object, not a list",
		`[{"rows":2}]`:                     "is not a manifest: must be an object, not a list",
		`"rows"`:                           "is not a manifest: must be an object, not a text",
		`{"rows":`:                         "is not a manifest: is not JSON: ",
		" \r\n":                            "is not a manifest: is not JSON: it ends too early",
		"\xff\xfe{\x00}\x00":               "is UTF-16: save it as UTF-8",
		"{\x00\"\x00":                      "is UTF-16 without a byte order mark",
		"{\"rows\":1}\x00":                 "holds a NUL byte at position 11",
		"{\"rows\":1}\r\n\x1a":             "ends with Ctrl-Z (0x1A)",
		"\ufeff\ufeff{\"rows\":1}":         "begins with a UTF-8 byte order mark",
		"PK\x03\x04":                       "is a ZIP archive or a workbook",
		`{"totals":{"A":null}}`:            "is not a decimal number",
		strings.Repeat(" ", MaxManifest+1): "is larger than",
	} {
		_, err := ParseManifest([]byte(text), "gl.csv")
		assert.ErrorContains(t, err, want, text)
		assert.NotRegexp(t, `Go |json: |int64|\[\]|map\[`, err.Error())
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"rows":1,"totals":{"A":"1"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseManifest(text, "x")
		if err == nil && len(e.Problems()) > 0 {
			t.Errorf("%q: accepted with problems: %v", text, e.Problems())
		}
		if err != nil {
			require.NotContains(t, err.Error(), "cannot unmarshal", "%q", text)
		}
	})
}

func BenchmarkReadFigures(b *testing.B) {
	const header = "DATE,ACCOUNT,BRANCH,KIND,BALANCE,CURRENCY,TEXT\n"
	plain := "2026-10-31,100200,Branch 7,Loans,123456.78,USD,some text that is not added up\n"
	withQuotes := "2026-10-31,100200,Branch 7,\"Loans, secured\",123456.78,USD,some text that is not added up\n"
	for _, c := range []struct {
		name, row string
		columns   []string
	}{
		{"rows", plain, nil},
		{"rows with quotes", withQuotes, nil},
		{"total", plain, []string{"BALANCE"}},
		{"total with quotes", withQuotes, []string{"BALANCE"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := []byte(header + strings.Repeat(c.row, 50_000))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadFigures(bytes.NewReader(text), Form{CSV: true, Columns: c.columns}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRows(b *testing.B) {
	text := []byte("DATE,ACCOUNT,KIND\n" + strings.Repeat("2026-10-31,100200,\"Loans, secured\"\n", 50_000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		rows := NewRows("gl.csv")
		_, _ = rows.Write(text)
		if n := rows.Count(); n == nil || *n != 50_000 {
			b.Fatal(n)
		}
	}
}
