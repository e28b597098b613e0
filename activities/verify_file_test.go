package activities

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// withInbox are activities that have one store, a folder.
func withInbox(t *testing.T) (*Activities, string) {
	t.Helper()
	dir := t.TempDir()
	opened, err := stores.Open(t.Context(), map[string]stores.Settings{"inbox": {URL: "file://" + dir}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return &Activities{stores: opened, poll: config.Poll{Ratio: 0.05, Min: time.Second, Max: time.Minute}}, dir
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func applicationError(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	return failed
}

func TestVerifyFile(t *testing.T) {
	n := func(value int64) *int64 { return &value }
	manifest := `{"file": "gl.csv", "rows": 2, "totals": {"BALANCE": "30.30"}}`
	for _, c := range []struct {
		name   string
		files  map[string]string
		expect verify.Expect
		want   verify.Figures
		wrong  []string
	}{
		{name: "as expected", files: map[string]string{"gl.csv": "ID,BALANCE\n1,10.10\n2,20.20\n", "m.json": manifest},
			expect: verify.Expect{Manifest: "inbox/m.json", Rows: n(2)},
			want:   verify.Figures{Bytes: 27, Rows: 2, SHA256: "a3", Totals: map[string]string{"BALANCE": "30.30"}}},
		{name: "every figure that is not is named", files: map[string]string{"gl.csv": "ID,BALANCE\n1,10.10\n", "m.json": manifest},
			expect: verify.Expect{Manifest: "inbox/m.json", Bytes: n(1), Totals: map[string]string{"ID": "2"}},
			wrong: []string{"inbox/gl.csv is not what is expected", "bytes: expected 1, found 19", "rows: expected 2 (inbox/m.json), found 1",
				"total ID: expected 2, found 1", "total BALANCE: expected 30.30 (inbox/m.json), found 10.10"}},
		{name: "damaged", files: map[string]string{"gl.csv": "ID,BALANCE\n1,\"10.10\n"}, expect: verify.Expect{Rows: n(1)}, wrong: []string{"the file ends within quotes"}},
		{name: "no manifest", files: map[string]string{"gl.csv": "A\n"}, expect: verify.Expect{Manifest: "inbox/m.json"}, wrong: []string{"manifest: expected inbox/m.json, found no such file"}},
		{name: "another file's manifest", files: map[string]string{"gl.csv": "A\n", "m.json": `{"file": "x.csv", "rows": 0}`}, expect: verify.Expect{Manifest: "inbox/m.json"},
			wrong: []string{`file is "x.csv", not "gl.csv"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, dir := withInbox(t)
			put(t, dir, c.files)
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a)
			answer, err := env.ExecuteActivity(a.VerifyFile, VerifyFileInput{File: "inbox/gl.csv", Expect: c.expect})
			if len(c.wrong) > 0 {
				failed := applicationError(t, err)
				require.Equal(t, VerificationFailed, failed.Type())
				require.True(t, failed.NonRetryable())
				for _, text := range c.wrong {
					require.ErrorContains(t, failed, text)
				}
				return
			}
			require.NoError(t, err)
			var found verify.Figures
			require.NoError(t, answer.Get(&found))
			require.Len(t, found.SHA256, 64)
			found.SHA256 = c.want.SHA256
			require.Equal(t, c.want, found)
		})
	}
}

func TestStatFileKnowsWhenAFileIsComplete(t *testing.T) {
	changed := time.Date(2026, 10, 31, 1, 0, 0, 0, time.UTC)
	whole := map[string]string{"gl.csv": "A\n1\n"}
	marked := map[string]string{"gl.csv": "A\n1\n", "gl.done": ""}
	before := func(size int64, since time.Duration) *unchanged {
		return &unchanged{FileInfo{File: "inbox/gl.csv", Size: size, Modified: changed}, time.Now().Add(-since)}
	}
	for _, c := range []struct {
		name   string
		files  map[string]string
		in     StatFileInput
		before *unchanged // what the last look saw
		want   string     // the error's type; empty: found
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
		{name: "seen for the first time", files: whole, in: StatFileInput{StableFor: time.Minute}, want: StillWaiting, delay: time.Minute},
		{name: "seen before, not for long enough", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(4, 20*time.Second), want: StillWaiting, delay: 40 * time.Second},
		{name: "grown since", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(3, time.Hour), want: StillWaiting, delay: time.Minute},
		{name: "stable", files: whole, in: StatFileInput{StableFor: time.Minute}, before: before(4, time.Minute)},
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
				env.SetHeartbeatDetails(*c.before)
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

func TestACheckThatIsCancelledEnds(t *testing.T) {
	a, dir := withInbox(t)
	put(t, dir, map[string]string{"gl.csv": "ID,BALANCE\n" + strings.Repeat("1,10.10\n", 1<<20)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivity(a)
	rows := int64(1)
	_, err := env.ExecuteActivity(a.VerifyFile, VerifyFileInput{File: "inbox/gl.csv", Expect: verify.Expect{Rows: &rows}})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "is not what is expected", "it was not read to its end")
}
