package harness

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/stretchr/testify/require"
)

// Batches of the simulator's catalog that many tests use, by what becomes of them.
const (
	QuickBatch = "PBSM_QUICK"
	HangBatch  = "PBSM_HANG"
	FailBatch  = "PBSM_FAIL"
)

// Want executes the starter, which has to end with an exit code.
func (e *Env) Want(code int, args ...string) Result {
	e.T.Helper()
	result := e.Run(args...)
	require.Equal(e.T, code, result.Code, "starter %s\n%s", strings.Join(args, " "), result)
	return result
}

// JSON executes the starter with --output json: stdout is exactly one JSON document.
func (e *Env) JSON(code int, args ...string) map[string]any {
	e.T.Helper()
	return e.OneDocument(e.Want(code, append(args, "--output", "json")...))
}

// OneDocument decodes what the starter wrote, which has to be one JSON document.
func (e *Env) OneDocument(r Result) map[string]any {
	e.T.Helper()
	decoder := json.NewDecoder(strings.NewReader(r.Stdout))
	var document map[string]any
	require.NoError(e.T, decoder.Decode(&document), "%s", r)
	_, err := decoder.Token()
	require.ErrorIs(e.T, err, io.EOF, "more than one document: %s", r)
	return document
}

// AddToConfig appends to pbsm.yaml; a worker that runs does not see it.
func (e *Env) AddToConfig(text string) {
	e.T.Helper()
	file, err := os.OpenFile(e.Config, os.O_APPEND|os.O_WRONLY, 0)
	e.must(err)
	_, err = file.WriteString(text)
	e.must(err)
	e.must(file.Close())
}

// ListedSchedule is a schedule as the starter lists it; nil if it does not.
func (e *Env) ListedSchedule(id string) map[string]any {
	e.T.Helper()
	for _, entry := range e.JSON(0, "schedule", "list")["schedules"].([]any) {
		if listed := entry.(map[string]any); listed["schedule_id"] == id {
			return listed
		}
	}
	return nil
}
