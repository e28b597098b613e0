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

// withInbox are activities with one store, a folder.
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
			want:   verify.Figures{Bytes: 27, Rows: n(2), SHA256: "a3", Totals: map[string]string{"BALANCE": "30.30"}}},
		{name: "all differences are listed", files: map[string]string{"gl.csv": "ID,BALANCE\n1,10.10\n", "m.json": manifest},
			expect: verify.Expect{Manifest: "inbox/m.json", Bytes: n(1), Totals: map[string]string{"ID": "2"}},
			wrong: []string{"inbox/gl.csv does not match", "bytes: expected 1, found 19", "rows: expected 2 (inbox/m.json), found 1",
				"total ID: expected 2, found 1", "total BALANCE: expected 30.30 (inbox/m.json), found 10.10"}},
		{name: "damaged", files: map[string]string{"gl.csv": "ID,BALANCE\n1,\"10.10\n"}, expect: verify.Expect{Rows: n(1)}, wrong: []string{"the file ends in a quoted field"}},
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

func TestVerifyFile_cancel(t *testing.T) {
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
	require.NotContains(t, err.Error(), "does not match", "it was not read to its end")
}
