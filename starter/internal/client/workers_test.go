package client

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/api/serviceerror"
)

// Temporal remembers a poll for minutes, and a worker that lives polls once a minute.
func TestPolls_idle(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.Local)
	for _, test := range []struct {
		last time.Time
		idle bool
		text string
	}{
		{time.Time{}, true, `no worker has polled the task queue "pbsm" recently`},
		{now.Add(-3 * time.Minute), true, `a worker last polled the task queue "pbsm" at 21:57:00, 3m0s ago`},
		{now.Add(-16 * time.Second), false, "16s ago"},
		{now.Add(-61 * time.Second), false, "1m1s ago"},
	} {
		p := Polls{queue: "pbsm", last: test.last, now: now}
		assert.Equal(t, test.idle, p.Idle(), test.text)
		assert.Contains(t, p.String(), test.text)
	}
}

func TestNoWorkerAnswered(t *testing.T) {
	for _, silence := range []error{serviceerror.NewDeadlineExceeded("late"), serviceerror.NewFailedPrecondition("no poller"), serviceerror.NewWorkflowNotReady("first task")} {
		assert.True(t, NoWorkerAnswered(silence), "%v", silence)
	}
	for _, answer := range []error{nil, serviceerror.NewQueryFailed("no such query"), errors.New("it cannot be read")} {
		assert.False(t, NoWorkerAnswered(answer), "%v", answer)
	}
}
