package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 10, 31, 22, 0, 0, 0, time.FixedZone("", -4*3600))

func night(execution string) Record {
	return Record{Execution: execution, Events: []Event{
		{At: start, Event: CloseStarted, By: "alice", Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31"},
		{At: start.Add(3 * time.Minute), Event: StepEnded, Step: "ledger", Outcome: "succeeded"},
		{At: start.Add(time.Minute), Event: FileSent, Step: "ledger", File: &File{Path: "inbox/gl.csv", FileID: "7", Bytes: 5, Rows: new(int64(1)), SHA256: "ab", Totals: map[string]string{"B": "2", "A": "1"}}},
		{At: start.Add(2 * time.Minute), Event: Noted, What: "ledger: decide retry", By: "bob", Why: "a <new> file & all"},
		{At: start.Add(4 * time.Minute), Event: CloseEnded, Outcome: "succeeded"},
	}}
}

func written(t testing.TB, file []byte, r Record) ([]byte, Seal) {
	t.Helper()
	file, end, err := Append(file, r)
	require.NoError(t, err)
	return file, end
}

func TestAppend_chain(t *testing.T) {
	file, end := written(t, nil, night("run-1"))
	report, err := Verify(iotest.OneByteReader(bytes.NewReader(file)))
	require.NoError(t, err)
	assert.Equal(t, Report{Lines: 6, Closes: 1, SHA256: end.SHA256, Seals: []Seal{end}}, report)
	assert.EqualValues(t, 5, end.Lines)

	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	require.Len(t, lines, 6)
	assert.JSONEq(t, `{"seq":1,"prev":"`+noLine+`","execution":"run-1","at":"2026-11-01T02:00:00Z","event":"close_started","by":"alice","connection":"prod","pipeline":"nightly-close","as_of_date":"2026-10-31"}`, lines[0])
	assert.Contains(t, lines[1], `"prev":"`+hash([]byte(lines[0]))+`"`)
	assert.Contains(t, lines[1], `"event":"file_sent"`, "events are ordered by time")
	assert.Contains(t, lines[2], `a <new> file & all`)
}

func TestAppend_retryWritesSameBytes(t *testing.T) {
	first, end := written(t, nil, night("run-1"))
	again, sealed := written(t, first, night("run-1"))
	assert.Equal(t, string(first), string(again))
	assert.Equal(t, end, sealed)
}

func TestAppend_nextExecutionContinuesChain(t *testing.T) {
	first, before := written(t, nil, night("run-1"))
	second, end := written(t, first, night("run-2"))
	assert.True(t, bytes.HasPrefix(second, first))
	report, err := Verify(bytes.NewReader(second))
	require.NoError(t, err)
	assert.Equal(t, Report{Lines: 12, Closes: 2, SHA256: end.SHA256, Seals: []Seal{before, end}}, report)
	again, _ := written(t, second, night("run-2"))
	assert.Equal(t, string(second), string(again))
}

// An attempt that hung may append after the next execution; so does a workflow that is reset.
func TestAppend_lateRetryKeepsLaterRecords(t *testing.T) {
	first, sealed := written(t, nil, night("run-1"))
	second, end := written(t, first, night("run-2"))
	again, seal := written(t, second, night("run-1"))
	assert.Equal(t, string(second), string(again))
	assert.Equal(t, sealed, seal)

	other := night("run-1")
	other.Events = other.Events[:3]
	more, _ := written(t, second, other)
	assert.True(t, bytes.HasPrefix(more, second))
	again, _ = written(t, more, other)
	assert.Equal(t, string(more), string(again))
	again, seal = written(t, more, night("run-2"))
	assert.Equal(t, string(more), string(again))
	assert.Equal(t, end, seal)
	report, err := Verify(bytes.NewReader(more))
	require.NoError(t, err)
	assert.Equal(t, 3, report.Closes)
}

func TestAppend_refusesBrokenFile(t *testing.T) {
	file, _ := written(t, nil, night("run-1"))
	_, _, err := Append(bytes.Replace(file, []byte("alice"), []byte("mallory"), 1), night("run-2"))
	var broken *Broken
	require.ErrorAs(t, err, &broken)
	assert.EqualValues(t, 2, broken.Line)
}

func TestVerify_firstBrokenLine(t *testing.T) {
	file, _ := written(t, nil, night("run-1"))
	two, _ := written(t, file, night("run-2"))
	lines := strings.SplitAfter(string(file), "\n")[:6]
	without := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }
	for name, c := range map[string]struct {
		text string
		line int64
		why  string
	}{
		"empty":                  {"", 1, "the file is empty"},
		"not an audit file":      {"hello\n", 1, "not a line"},
		"a changed value":        {strings.Replace(string(file), "bob", "eve", 1), 4, "does not follow"},
		"the first line dropped": {without(0), 1, "lines were dropped"},
		"a line dropped":         {without(2), 3, "lines were dropped"},
		"the seal dropped":       {without(5), 6, "without its seal"},
		"lines swapped":          {lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], ""), 2, "lines were dropped, added or moved"},
		"cut off":                {string(file[:len(file)-1]), 6, "cut off"},
		"a changed end":          {strings.Replace(string(file), `"event":"close_ended","outcome":"succeeded"`, `"event":"close_ended","outcome":"failed"`, 1), 6, "does not follow"},
		"more in the seal":       {strings.TrimSuffix(string(file), "}\n") + `,"x":1}` + "\n", 6, "the seal does not match"},
		"text after the seal":    {string(file) + "{}\n", 7, "line 0"},
		"an unsealed record":     {string(two[:bytes.LastIndexByte(two[:len(two)-1], '\n')+1]), 12, "without its seal"},
		"a first record changed": {strings.Replace(string(two), "bob", "eve", 1), 4, "does not follow"},
		"a line without end":     {strings.Repeat("x", maxLine+10), 1, "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(strings.NewReader(c.text))
			var broken *Broken
			require.ErrorAs(t, err, &broken)
			assert.Equal(t, c.line, broken.Line, broken)
			assert.Contains(t, broken.Why, c.why)
		})
	}
	_, err := Verify(iotest.ErrReader(errors.New("disk")))
	assert.EqualError(t, err, "disk")
}

// A record needs the execution of its seal in every line, even if the hashes are right.
func TestVerify_recordIsOfOneExecution(t *testing.T) {
	file, _ := written(t, nil, night("run-1"))
	first, _, _ := bytes.Cut(file, []byte{'\n'})
	second, err := encode(line{Seq: 2, Prev: hash(first), Execution: "run-2"})
	require.NoError(t, err)
	_, err = Verify(strings.NewReader(string(first) + "\n" + string(second) + "\n"))
	assert.ErrorContains(t, err, "line 2: another record begins")
}

// No file that differs in a byte has the hash of the one that was written.
func FuzzVerify(f *testing.F) {
	file, end := written(f, nil, night("run-1"))
	f.Add(file, 10, byte('x'))
	f.Add(file, len(file)-3, byte('0'))
	f.Fuzz(func(t *testing.T, text []byte, at int, b byte) {
		_, _ = Verify(bytes.NewReader(text))
		if at < 0 {
			at = -(at + 1)
		}
		changed := bytes.Clone(file)
		changed[at%len(file)] = b
		report, err := Verify(bytes.NewReader(changed))
		if same := bytes.Equal(changed, file); same != (err == nil && report.SHA256 == end.SHA256) {
			t.Errorf("byte %d became %q: %v", at%len(file), b, err)
		}
	})
}

func TestAppend_linesAreJSON(t *testing.T) {
	file, _ := written(t, nil, night("run-1"))
	for text := range bytes.Lines(file) {
		assert.True(t, json.Valid(text), string(text))
	}
}
