package activities

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// objectServer has one object behind every URL.
func objectServer(t *testing.T, content []byte) (*httptest.Server, *connection) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	objects, err := parstore.New(parstore.Options{RootCAs: roots, PARHosts: []string{"127.0.0.1"}, PartSize: 64 << 10, Threshold: 128 << 10})
	require.NoError(t, err)
	return server, &connection{objects: objects, sealer: parstore.NewSealer("secret", "prod"), seen: newObserver(client.MetricsNopHandler, "prod")}
}

// An attempt that Temporal has given up may still reach the store, where another one has taken over.
func TestAFileIsCommittedOnlyByTheAttemptThatCounts(t *testing.T) {
	for name, content := range map[string][]byte{
		"large": bytes.Repeat([]byte("0123456789abcdef"), 16<<10),
		"small": []byte("a,b\n1,2\n"),
	} {
		t.Run(name, func(t *testing.T) {
			server, conn := objectServer(t, content)
			dir := t.TempDir()
			opened, err := stores.Open(t.Context(), map[string]stores.Settings{"outbox": {URL: "file://" + dir}})
			require.NoError(t, err)
			get := func(answer error) error {
				temporal := mocks.NewClient(t)
				temporal.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(answer)
				a := &Activities{stores: opened, temporal: temporal, connections: map[string]*connection{"prod": conn}}
				var suite testsuite.WorkflowTestSuite
				env := suite.NewTestActivityEnvironment()
				env.RegisterActivity(a)
				_, err := env.ExecuteActivity(a.GetFile, GetFileInput{Connection: "prod", PAR: SealedPAR(conn.sealer.Seal(server.URL+"/p/x", parPurpose)), SaveTo: "outbox/gl.csv"})
				return err
			}
			failed := applicationError(t, get(serviceerror.NewNotFound("activity not found")))
			assert.Equal(t, Unavailable, failed.Type())
			assert.Contains(t, failed.Message(), "not found")
			require.NoFileExists(t, filepath.Join(dir, "gl.csv"))
			left, err := filepath.Glob(filepath.Join(dir, ".gl.csv.*.part"))
			require.NoError(t, err)
			assert.Len(t, left, 1, "another attempt may be writing to it")

			require.NoError(t, get(nil))
			text, err := os.ReadFile(filepath.Join(dir, "gl.csv"))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, text))
		})
	}
}

func TestAFileThatIsGoneIsNotWaitedFor(t *testing.T) {
	a, _ := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	conn := a.connections["prod"]
	par, err := conn.service.CreateUploadPAR(t.Context(), pbsm.UploadRequest{FileName: "gl.csv", FileSize: 9})
	require.NoError(t, err)
	_, err = activityEnv(a).ExecuteActivity(a.PutFile, PutFileInput{Connection: "prod", File: FileInfo{File: "inbox/gl.csv", Size: 9}, PAR: conn.seal(par.PAR)})
	failed := applicationError(t, err)
	require.Equal(t, FileMissing, failed.Type())
	require.True(t, failed.NonRetryable())
	require.Equal(t, "inbox/gl.csv is not in its store any more: put it there, then retry", failed.Message())
}
