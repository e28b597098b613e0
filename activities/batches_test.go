package activities

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
