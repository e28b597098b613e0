package activities

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

const glText = "ID,B\n1,2\n"

// withService are activities with one store, inbox, and a simulated service behind the connection prod,
// which takes files of 128 KiB and more in parts of 64 KiB.
func withService(t *testing.T, inbox stores.Settings) (*Activities, *simulator.Simulator) {
	t.Helper()
	sim := simtest.Start(t, simulator.Options{})
	opened, err := stores.Open(t.Context(), map[string]stores.Settings{"inbox": inbox})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	conn := &connection{
		service:    simtest.Service(t, sim),
		objects:    smallParts(t, sim.CAFile()),
		sealer:     parstore.NewSealer("secret", "prod"),
		observer:   newObserver(client.MetricsNopHandler, "prod"),
		folderPace: rate.NewLimiter(rate.Inf, 1),
		config:     config.Connection{MaxFileSize: 1 << 40},
	}
	return &Activities{
		stores:      opened,
		connections: map[string]*connection{"prod": conn},
		poll:        config.Poll{Ratio: 0.05, Min: time.Second, Max: time.Minute},
	}, sim
}

func smallParts(t *testing.T, caFile string) *parstore.Client {
	t.Helper()
	objects, err := parstore.New(parstore.Options{
		CAFile:    caFile,
		PARHosts:  []string{"127.0.0.1"},
		PartSize:  64 << 10,
		Threshold: 128 << 10,
	})
	require.NoError(t, err)
	t.Cleanup(objects.Close)
	return objects
}

// withFolder is withService with a folder as its inbox, dir, in which the folder in has these files.
func withFolder(t *testing.T, files map[string]string) (a *Activities, sim *simulator.Simulator, dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o755))
	put(t, filepath.Join(dir, "in"), files)
	a, sim = withService(t, stores.Settings{URL: "file://" + dir})
	return a, sim, dir
}

func activityEnv(a *Activities) *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a)
	return env
}

// objectServer has one object behind every URL.
func objectServer(t *testing.T, content []byte) (*httptest.Server, *connection) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(caFile, certificate, 0o600))
	return server, &connection{
		objects:  smallParts(t, caFile),
		sealer:   parstore.NewSealer("secret", "prod"),
		observer: newObserver(client.MetricsNopHandler, "prod"),
	}
}

// An attempt that Temporal has given up may still reach the store, where another one has taken over.
func TestGetFile_commitsOnlyWhileCurrent(t *testing.T) {
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
				par := SealedPAR(conn.sealer.Seal(server.URL+"/p/x", parPurpose))
				_, err := activityEnv(a).ExecuteActivity(a.GetFile, GetFileInput{Connection: "prod", PAR: par, SaveTo: "outbox/gl.csv"})
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

func TestPutFile_missingFile(t *testing.T) {
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

// The list of an attempt that has ended would replace the list of the current one, whose files have other ids.
func TestPutFolder_commitsItsListOnlyWhileCurrent(t *testing.T) {
	a, sim, dir := withFolder(t, map[string]string{"a.dat": glText})
	send := func(answer error) error {
		temporal := mocks.NewClient(t)
		temporal.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(answer)
		a.temporal = temporal
		_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
		return err
	}
	failed := applicationError(t, send(serviceerror.NewNotFound("activity not found")))
	require.Equal(t, Unavailable, failed.Type())
	require.ErrorContains(t, failed, "could not confirm that this attempt is still current")
	require.NoFileExists(t, filepath.Join(dir, "in.sent.jsonl"))

	require.NoError(t, send(nil))
	require.FileExists(t, filepath.Join(dir, "in.sent.jsonl"))
	require.Len(t, sim.Files(), 1, "the list was left")
}

// A later attempt resumes a large file of a folder; when there is none, its parts are dropped.
func TestPutFolder_resumesOrDropsALargeFile(t *testing.T) {
	const parts, underWayAtOnce = 16, parstore.DefaultParallel
	refused := func(call string, after int) simulator.Fault {
		return simulator.Fault{Call: call, Kind: simulator.FaultStatus, Status: http.StatusBadRequest, After: after, Times: 1}
	}
	for _, c := range []struct {
		name  string
		fault simulator.Fault
	}{
		{"a part is refused", refused("part-put", 3)},
		{"the commit is refused", refused("multipart-commit", 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, sim, dir := withFolder(t, map[string]string{"gl.dat": strings.Repeat("x", parts*64<<10)})
			moves := &moves{MetricsHandler: client.MetricsNopHandler}
			a.connections["prod"].observer.metrics = moves
			calls := func(call string) (n int) {
				for _, e := range sim.Journal() {
					if e.Call == call {
						n++
					}
				}
				return n
			}
			in := PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"}
			interrupted := func() SealedTransfer {
				sim.Inject(c.fault)
				_, err := activityEnv(a).ExecuteActivity(a.PutFolder, in)
				var said Refusal
				var left SealedTransfer
				failed := applicationError(t, err)
				require.True(t, failed.NonRetryable())
				require.NoError(t, failed.Details(&said, &left))
				require.ErrorContains(t, failed, "inbox/in/gl.dat")
				return left
			}

			again := activityEnv(a)
			again.SetHeartbeatDetails(TransferProgress{State: interrupted()})
			value, err := again.ExecuteActivity(a.PutFolder, in)
			require.NoError(t, err)
			var moved TransferResult
			require.NoError(t, value.Get(&moved))
			require.EqualValues(t, 1, moved.Files)
			require.Equal(t, 1, calls("multipart-create"), "the parts that were there were used")
			require.LessOrEqual(t, calls("part-put"), parts+underWayAtOnce)
			require.Equal(t, 1, calls("upload-par"))
			require.Len(t, sim.Files(), 1)
			require.GreaterOrEqual(t, moves.bytes(directionUpload), int64(parts*64<<10))
			require.LessOrEqual(t, moves.bytes(directionUpload), int64((parts+underWayAtOnce)*64<<10), "what was there is not counted again")
			require.Zero(t, moves.bytes(directionDownload))

			put(t, filepath.Join(dir, "in"), map[string]string{"gl.dat": strings.Repeat("y", parts*64<<10)})
			_, err = activityEnv(a).ExecuteActivity(a.DropTransfer, DropTransferInput{Connection: "prod", Unfinished: interrupted()})
			require.NoError(t, err)
			require.Equal(t, 1, calls("multipart-abort"))

			left := interrupted()
			put(t, filepath.Join(dir, "in"), map[string]string{"gl.dat": strings.Repeat("z", parts*64<<10+1)})
			again = activityEnv(a)
			again.SetHeartbeatDetails(TransferProgress{State: left})
			_, err = again.ExecuteActivity(a.PutFolder, in)
			require.NoError(t, err)
			require.Equal(t, 2, calls("multipart-abort"), "the file has changed")

			put(t, filepath.Join(dir, "in"), map[string]string{"gl.dat": strings.Repeat("a", parts*64<<10)})
			left = interrupted()
			put(t, filepath.Join(dir, "in"), map[string]string{"no name of the service.dat": glText})
			again = activityEnv(a)
			again.SetHeartbeatDetails(TransferProgress{State: left})
			_, err = again.ExecuteActivity(a.PutFolder, in)
			require.Equal(t, InvalidInput, applicationError(t, err).Type())
			require.Equal(t, 3, calls("multipart-abort"), "nothing will resume it")
		})
	}
}

// moves are the bytes that were counted, by direction.
type moves struct {
	client.MetricsHandler
	counters sync.Map
}

func (m *moves) WithTags(tags map[string]string) client.MetricsHandler {
	if direction, ok := tags["direction"]; ok {
		counter, _ := m.counters.LoadOrStore(direction, &moveCounter{})
		return counter.(*moveCounter)
	}
	return m
}

func (m *moves) bytes(direction string) int64 {
	counter, ok := m.counters.Load(direction)
	if !ok {
		return 0
	}
	return counter.(*moveCounter).Load()
}

type moveCounter struct {
	client.MetricsHandler
	atomic.Int64
}

func (c *moveCounter) Counter(string) client.MetricsCounter { return c }
func (c *moveCounter) Inc(bytes int64)                      { c.Add(bytes) }

func TestListSentFiles_failsOnADamagedList(t *testing.T) {
	a, _, dir := withFolder(t, map[string]string{"gl.csv": glText})
	env := activityEnv(a)
	_, err := env.ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	in := ListSentFilesInput{Connection: "prod", ListTo: "inbox/in.sent.jsonl"}
	_, err = env.ExecuteActivity(a.ListSentFiles, in)
	require.NoError(t, err)

	name := filepath.Join(dir, "in.sent.jsonl")
	list, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(list, list[:20]...), 0o600))
	_, err = env.ExecuteActivity(a.ListSentFiles, in)
	failed := applicationError(t, err)
	require.Equal(t, Unavailable, failed.Type())
	require.ErrorContains(t, failed, "inbox/in.sent.jsonl: line 2 is cut off")
}

// A folder may hold thousands of files, which the service knows by ids that are listed nowhere yet.
func TestPutFolder_waitsWhileTheFolderIsNotComplete(t *testing.T) {
	dir := t.TempDir()
	a, _ := withService(t, stores.Settings{URL: "file://" + dir})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o755))
	put(t, dir, map[string]string{"in/gl.csv": glText, "in/fees.csv.filepart": "A"})
	for until, want := range map[time.Time]string{
		time.Now().Add(time.Hour): StillWaiting, time.Now().Add(-time.Hour): FileMissing, {}: FileMissing,
	} {
		in := PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl", WaitUntil: until}
		_, err := activityEnv(a).ExecuteActivity(a.PutFolder, in)
		failed := applicationError(t, err)
		require.Equal(t, want, failed.Type())
		require.Contains(t, failed.Message(), "inbox/in/ is not complete: inbox/in/fees.csv.filepart")
	}
}

func TestPutFolder_withoutScanAtTheTenant(t *testing.T) {
	a, sim, _ := withFolder(t, map[string]string{"gl.csv": glText, "fx.csv": glText})
	a.connections["prod"].config.ScanAfterUpload = true
	require.NoError(t, sim.SetQuirks(simulator.NoScan))
	sent, err := call[TransferResult](t, a, a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	require.Equal(t, int64(2), sent.Files)
	require.Contains(t, sent.NotScanned, "not scanned: the service has no such call (HTTP 404)")
}

func TestPutFolder_errorNamesTheFile(t *testing.T) {
	const attempts = 3 // at one file
	for _, call := range []string{"upload-par", "object-put", "scan-file"} {
		for status, kind := range map[int]string{400: Refused, 503: Unavailable} {
			t.Run(fmt.Sprint(call, " ", status), func(t *testing.T) {
				a, sim, _ := withFolder(t, map[string]string{"gl.csv": glText, "fx.csv": glText})
				a.connections["prod"].config.ScanAfterUpload = true
				sim.Inject(simulator.Fault{Call: call, Kind: simulator.FaultStatus, Status: status, Match: "gl.csv", Times: attempts})
				_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
				failed := applicationError(t, err)
				require.Equal(t, kind, failed.Type())
				require.ErrorContains(t, failed, "inbox/in/gl.csv")
			})
		}
	}
}
