// Package verify reads the figures of files and compares them with those that were promised: bytes, SHA-256,
// rows, and control totals as exact decimals. It knows neither stores nor the service.
package verify

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Expect says what a file must contain. A figure that is not given is not checked.
//
//	expect:
//	  manifest: "inbox/gl_{{.AsOfDate}}.manifest.json"
//	  bytes: 5120
//	  rows: 100
//	  min_rows: 1
//	  max_rows: 1000000
//	  sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//	  totals: {BALANCE: "1234567.89"}
//	  delimiter: ";"
type Expect struct {
	// Manifest is a file with the figures that the sender promises: JSON with any of the keys file, bytes, rows,
	// sha256 and totals; see [ParseManifest].
	Manifest string `json:"manifest,omitempty" jsonschema:"format=store/path,anyof_required=manifest"`
	// Bytes is the file's size.
	Bytes *int64 `json:"bytes,omitempty" jsonschema:"minimum=0,anyof_required=bytes"`
	// Rows is the number of records below the header of a CSV file; of other files, the number of lines.
	Rows *int64 `json:"rows,omitempty" jsonschema:"minimum=0,anyof_required=rows"`
	// MinRows is the minimum number of rows.
	MinRows *int64 `json:"min_rows,omitempty" jsonschema:"minimum=0,anyof_required=min_rows"`
	// MaxRows is the maximum number of rows.
	MaxRows *int64 `json:"max_rows,omitempty" jsonschema:"minimum=0,anyof_required=max_rows"`
	// SHA256 is the file's checksum, as 64 hex digits.
	SHA256 string `json:"sha256,omitempty" jsonschema:"format=sha256,anyof_required=sha256"`
	// Totals are the exact sums of columns, by their names in the header.
	Totals map[string]string `json:"totals,omitempty" jsonschema:"anyof_required=totals" jsonschema_extras:"values=decimal"`
	// Delimiter separates the columns. With it, or with totals, a file is read as CSV whatever its extension.
	Delimiter string `json:"delimiter,omitempty" jsonschema:"format=delimiter,default=\\,"`
}

// Mismatch is a figure that is not as expected.
type Mismatch struct {
	What     string `json:"what"` // "rows", "total BALANCE"
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Source   string `json:"source,omitempty"` // who expects it, if not the step itself
}

func (m Mismatch) String() string {
	text := fmt.Sprintf("%s: expected %s", m.What, m.Expected)
	if m.Source != "" {
		text += " (" + m.Source + ")"
	}
	return text + ", found " + m.Found
}

// Problems are all mistakes in what is expected, by its keys.
func (e Expect) Problems() (found problem.List) {
	found.Want(e.Manifest != "" || e.checks(), "",
		"expects nothing: give a manifest, bytes, rows, min_rows, max_rows, sha256 or totals")
	for _, n := range []struct {
		key   string
		value *int64
	}{{"bytes", e.Bytes}, {"rows", e.Rows}, {"min_rows", e.MinRows}, {"max_rows", e.MaxRows}} {
		found.Want(n.value == nil || *n.value >= 0, n.key, "must not be negative")
	}
	found.Want(e.MinRows == nil || e.MaxRows == nil || *e.MinRows <= *e.MaxRows, "min_rows", "is more than max_rows")
	found.Want(e.SHA256 == "" || isSHA256(e.SHA256), "sha256", "%q is not a SHA-256: 64 hex digits", e.SHA256)
	for _, column := range e.columns() {
		_, err := parseDecimal(e.Totals[column])
		found.Check("totals."+column, err)
		found.Want(column != "", "totals", "a column has no name")
	}
	found.Want(e.Delimiter == "" || isDelimiter(e.Delimiter), "delimiter",
		"%q is not a delimiter: one character such as ; or |", e.Delimiter)
	return found
}

// columns are those of the totals, in order.
func (e Expect) columns() []string { return slices.Sorted(maps.Keys(e.Totals)) }

func (e Expect) checks() bool {
	return e.Bytes != nil || e.Rows != nil || e.MinRows != nil || e.MaxRows != nil || e.SHA256 != "" || len(e.Totals) > 0
}

func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == 32
}

func isDelimiter(text string) bool {
	return len(text) == 1 && text[0] < 0x80 && (text[0] > ' ' || text == "\t") && text[0] != '"' && text[0] != 0x7f
}

// FormOf is how a file of this name is to be read, so that all that is expected of it can be checked.
func FormOf(name string, expected ...Expect) Form {
	form := Form{CSV: strings.EqualFold(path.Ext(name), ".csv")}
	for _, e := range expected {
		form.Columns = append(form.Columns, e.columns()...)
		if e.Delimiter != "" {
			form.Delimiter, form.CSV = e.Delimiter[0], true
		}
		form.Rows = form.Rows || e.Rows != nil || e.MinRows != nil || e.MaxRows != nil
	}
	slices.Sort(form.Columns)
	form.Columns = slices.Compact(form.Columns)
	form.CSV = form.CSV || len(form.Columns) > 0
	return form
}

// Compare returns every figure that is not as expected. The source says who expects it.
func (e Expect) Compare(found Figures, source string) []Mismatch {
	var wrong []Mismatch
	add := func(ok bool, what, expected, found string) {
		if !ok {
			wrong = append(wrong, Mismatch{what, expected, found, source})
		}
	}
	number := func(what, limit string, expected *int64, found int64, orders ...int) {
		if expected != nil {
			add(slices.Contains(orders, cmp.Compare(found, *expected)), what, limit+fmt.Sprint(*expected), fmt.Sprint(found))
		}
	}
	number("bytes", "", e.Bytes, found.Bytes, 0)
	if found.Rows != nil { // they are there if they are expected: see [Form]
		number("rows", "", e.Rows, *found.Rows, 0)
		number("rows", "at least ", e.MinRows, *found.Rows, 0, 1)
		number("rows", "at most ", e.MaxRows, *found.Rows, 0, -1)
	}
	add(e.SHA256 == "" || strings.EqualFold(e.SHA256, found.SHA256), "sha256", strings.ToLower(e.SHA256), found.SHA256)
	for _, column := range e.columns() {
		total := found.Totals[column]
		add(equalDecimals(e.Totals[column], total), "total "+column, e.Totals[column], cmp.Or(total, "none"))
	}
	return wrong
}
