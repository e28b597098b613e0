package audit

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that was transferred again has the checksum of the last time; a folder has that of its list.
func TestRead(t *testing.T) {
	first, second := night("run-1"), night("run-2")
	first.Events[0].WorkflowID, second.Events[0].WorkflowID = "close/prod/n/2026-10-31", "close/prod/n/2026-10-31"
	second.Events[2].File = &File{Path: "inbox/gl.csv", SHA256: "cd"}
	second.Events = append(second.Events, Event{At: start, Event: FileSent, File: &File{Path: "inbox/rates/", ListedIn: "inbox/rates.sent.jsonl", SHA256: "ef"}})
	text, _ := written(t, nil, first)
	text, _ = written(t, text, second)
	contents, err := Read(bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, []string{"close/prod/n/2026-10-31"}, contents.Workflows)
	require.Len(t, contents.Files, 2)
	require.Equal(t, []any{"inbox/rates.sent.jsonl", "ef", int64(8)}, []any{contents.Files[0].Ref(), contents.Files[0].SHA256, contents.Files[0].Line})
	require.Equal(t, []any{"inbox/gl.csv", "cd", "ledger"}, []any{contents.Files[1].Ref(), contents.Files[1].SHA256, contents.Files[1].Step})
}

func FuzzRead(f *testing.F) {
	text, _ := written(f, nil, night("run-1"))
	f.Add(text)
	f.Add([]byte(`{"file":null,"event":"close_started"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		contents, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, file := range contents.Files {
			require.Positive(t, file.Line)
		}
	})
}
