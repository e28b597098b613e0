package activities

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
)

func TestStatFile(t *testing.T) {
	changed := time.Date(2026, 10, 31, 1, 0, 0, 0, time.UTC)
	whole := map[string]string{"gl.csv": "A\n1\n"}
	empty := map[string]string{"gl.csv": ""}
	oneByte := map[string]string{"gl.csv": "A"}
	marked := map[string]string{"gl.csv": "A\n1\n", "gl.done": ""}
	before := func(size int64, since time.Duration) func() unchanged {
		return func() unchanged {
			return unchanged{FileInfo{File: "inbox/gl.csv", Size: size, Modified: changed}, time.Now().Add(-since)}
		}
	}
	for _, c := range []struct {
		name   string
		files  map[string]string
		in     StatFileInput
		before func() unchanged // what the last attempt found
		want   string           // the error's type; empty: found
		text   string
		delay  time.Duration
	}{
		{name: "there", files: whole},
		{name: "not there", want: FileMissing, text: "inbox/gl.csv is not in its store"},
		{name: "not there yet", in: StatFileInput{Wait: true}, want: StillWaiting, delay: time.Second},
		{name: "not there at last", in: StatFileInput{Wait: true, Last: true}, want: FileMissing},
		{name: "no marker", files: whole, in: StatFileInput{Marker: "inbox/gl.done"}, want: FileMissing, text: "its marker inbox/gl.done is not"},
		{name: "no marker yet", files: whole, in: StatFileInput{Marker: "inbox/gl.done", Wait: true}, want: StillWaiting, text: "inbox/gl.done is not there yet", delay: time.Second},
		{name: "marked", files: marked, in: StatFileInput{Marker: "inbox/gl.done", Wait: true}},
		{name: "found for the first time", files: whole, in: StatFileInput{StableFor: time.Minute}, want: StillWaiting, delay: time.Minute},
		{name: "unchanged, but not for long enough", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(4, 20*time.Second), want: StillWaiting, delay: 40 * time.Second},
		{name: "grown since", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(3, time.Hour), want: StillWaiting, delay: time.Minute},
		{name: "stable", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(4, time.Minute)},
		{name: "empty", files: empty, in: StatFileInput{MinSize: 2}, want: FileMissing, text: "inbox/gl.csv has 0 bytes, and the service accepts files of 2"},
		{name: "empty yet", files: empty, in: StatFileInput{MinSize: 2, Wait: true}, want: StillWaiting, text: "inbox/gl.csv has 0 bytes so far", delay: time.Second},
		{name: "one byte yet", files: oneByte, in: StatFileInput{MinSize: 2, Wait: true}, want: StillWaiting, text: "has 1 bytes so far", delay: time.Second},
		{name: "empty yet and stable", files: empty, in: StatFileInput{MinSize: 2, Wait: true, StableFor: time.Minute}, before: before(0, time.Hour), want: StillWaiting, text: "has 0 bytes so far", delay: time.Second},
		{name: "empty for the first time", files: empty, in: StatFileInput{MinSize: 2, StableFor: time.Minute}, want: StillWaiting, delay: time.Minute},
		{name: "empty and stable", files: empty, in: StatFileInput{MinSize: 2, StableFor: time.Minute}, before: before(0, time.Hour), want: FileMissing, text: "has 0 bytes, and"},
		{name: "empty at last", files: empty, in: StatFileInput{MinSize: 2, Wait: true, Last: true}, want: FileMissing, text: "has 0 bytes, and"},
		{name: "large enough", files: whole, in: StatFileInput{MinSize: 2, Wait: true}},
		{name: "not stable at last", files: whole, in: StatFileInput{StableFor: time.Minute, Last: true}, want: FileMissing, text: "has not been stable for 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, dir := withInbox(t)
			put(t, dir, c.files)
			for name := range c.files {
				require.NoError(t, os.Chtimes(filepath.Join(dir, name), changed, changed))
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a)
			if c.before != nil {
				env.SetHeartbeatDetails(c.before())
			}
			in := c.in
			in.File, in.Since = "inbox/gl.csv", time.Now()
			answer, err := env.ExecuteActivity(a.StatFile, in)
			if c.want == "" {
				require.NoError(t, err)
				var found FileInfo
				require.NoError(t, answer.Get(&found))
				require.Equal(t, FileInfo{File: "inbox/gl.csv", Size: 4, Modified: changed.Local()}, FileInfo{File: found.File, Size: found.Size, Modified: found.Modified.Local()})
				return
			}
			failed := applicationError(t, err)
			require.Equal(t, c.want, failed.Type(), failed)
			require.True(t, strings.Contains(failed.Error(), c.text), failed)
			require.Equal(t, c.want == FileMissing, failed.NonRetryable())
			require.InDelta(t, c.delay.Seconds(), failed.NextRetryDelay().Seconds(), 0.5)
		})
	}
}
