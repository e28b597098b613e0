package activities

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
)

// For a moment after a submission the service may not know the run, or show what a restart has ended.
func TestBatchStatus_rightAfterASubmission(t *testing.T) {
	const run, failed = "B2001_2026-10-31_1_1", "B2001_2026-10-31_1_1=-1,t1=-1"
	status := func(code string) string {
		return `{"batchRunId":"` + run + `","batchStatusCode":"` + code + `","taskStatusList":[{"taskCode":"t1","statusCode":"` +
			code + `"}],"statusCode":"0"}`
	}
	const noObject = `{"statusCode":"-3","summary":"Object does not exist","status":"failed"}`
	long := -time.Hour
	for name, tt := range map[string]struct {
		http      int
		answer    string
		submitted bool
		before    string
		age       time.Duration
		want      string // type of the error; empty: the status is returned
	}{
		"not known yet":             {answer: noObject, submitted: true, want: StillWaiting},
		"no such page yet":          {http: 404, answer: `{"error":"Not Found"}`, submitted: true, want: StillWaiting},
		"never known":               {answer: noObject, submitted: true, age: long, want: Refused},
		"adopted":                   {answer: noObject, want: Refused},
		"forbidden":                 {http: 403, answer: `{}`, submitted: true, want: Refused},
		"as before the restart":     {answer: status("-1"), submitted: true, before: failed, want: StillWaiting},
		"as before, after a while":  {answer: status("-1"), submitted: true, before: failed, age: long},
		"going again":               {answer: status("2"), submitted: true, before: failed},
		"failed at once":            {answer: status("-1"), submitted: true},
		"what nobody has submitted": {answer: status("-1"), before: failed},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(cmp.Or(tt.http, 200))
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer tenant.Close()
			sim := simtest.Start(t, simulator.Options{})
			a := withClient(t, simtest.Service(t, sim, func(c *pbsm.Config) { c.BaseURL, c.Insecure = tenant.URL, true }))
			_, err := call[BatchStatus](t, a, a.BatchStatus, BatchStatusInput{
				RunInput:  RunInput{Connection: "prod", Code: "B2001", RunID: run},
				Poll:      Poll{Since: time.Now().Add(tt.age)},
				Submitted: tt.submitted,
				Before:    tt.before,
			})
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tt.want, applicationError(t, err).Type())
		})
	}
}

func TestFingerprint_ignoresTexts(t *testing.T) {
	status := BatchStatus{RunID: "r", Code: "2", Text: "ONGOING", Tasks: []TaskStatus{{Code: "t1", StatusCode: "0", Text: "SUCCESSFUL"}, {Code: "t2", StatusCode: "2"}}}
	other := status
	other.Text = "On going"
	require.Equal(t, status.Fingerprint(), other.Fingerprint())
	other.Tasks = []TaskStatus{{Code: "t1", StatusCode: "0"}, {Code: "t2", StatusCode: "5"}}
	require.NotEqual(t, status.Fingerprint(), other.Fingerprint())
	ended, all := status.Progress()
	require.Equal(t, []int{1, 2}, []int{ended, all})
}

// The document promises no order of tasks and members.
func TestFingerprint_ignoresTheOrder(t *testing.T) {
	a, b := TaskStatus{Code: "t1", StatusCode: "0"}, TaskStatus{Code: "t2", StatusCode: "2"}
	first, second := BatchStatus{RunID: "m1", Code: "2", Tasks: []TaskStatus{a, b}}, BatchStatus{RunID: "m2", Code: "1"}
	status := BatchStatus{RunID: "r", Code: "2", Tasks: []TaskStatus{a, b}, Batches: []BatchStatus{first, second}}
	other := status
	first.Tasks = []TaskStatus{b, a}
	other.Tasks, other.Batches = []TaskStatus{b, a}, []BatchStatus{second, first}
	require.Equal(t, status.Fingerprint(), other.Fingerprint())
	second.Code = "2"
	other.Batches = []BatchStatus{second, first}
	require.NotEqual(t, status.Fingerprint(), other.Fingerprint())
}
