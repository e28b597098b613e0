package activities

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// withService are activities with one store, inbox, and a simulated service behind the connection
// prod, which takes files of 128 KiB and more in parts of 64 KiB.
func withService(t *testing.T, inbox stores.Settings) (*Activities, *simulator.Simulator) {
	t.Helper()
	sim, err := simulator.Start(simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Close() })
	opts := sim.Options()
	service, err := pbsm.New(pbsm.Config{
		BaseURL: sim.BaseURL(), TokenURL: sim.TokenURL(), TenantID: opts.Tenant, ServiceID: opts.ServiceID, WorkspaceID: opts.WorkspaceID,
		RemoteUser: opts.RemoteUser, Locale: "en-US", AppID: opts.AppID, ClientID: opts.ClientID, ClientSecret: opts.ClientSecret,
		Username: opts.Username, Password: opts.Password, CAFile: sim.CAFile(), Timeout: 10 * time.Second, MaxFileSize: 1 << 40,
		DynamicParams: pbsm.DynamicParamsJSON, MigrationStatusPath: "/public/status", ReportStatusBody: pbsm.ReportStatusBodyNone, ReportDefType: "V",
	})
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CAPEM())
	objects, err := parstore.New(parstore.Options{RootCAs: roots, PARHosts: []string{"127.0.0.1"}, PartSize: 64 << 10, Threshold: 128 << 10})
	require.NoError(t, err)
	t.Cleanup(objects.Close)
	opened, err := stores.Open(t.Context(), map[string]stores.Settings{"inbox": inbox})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	conn := &connection{
		service: service, objects: objects, sealer: parstore.NewSealer("secret", "prod"), seen: newObserver(client.MetricsNopHandler, "prod"),
		folderPace: rate.NewLimiter(rate.Inf, 1), config: config.Connection{MaxFileSize: 1 << 40},
	}
	return &Activities{
		stores: opened, connections: map[string]*connection{"prod": conn}, poll: config.Poll{Ratio: 0.05, Min: time.Second, Max: time.Minute},
	}, sim
}

// withFolder are those of withService, whose inbox is a folder, dir, with a folder in it that is called in and has files.
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

// bucket answers like a server whose list has milliseconds, and whose look at one file has seconds.
type bucket struct {
	listed string                 // the size of in/gl.csv in the list
	etag   func(looks int) string // of in/gl.csv
	looks  int
}

const glText = "ID,B\n1,2\n"

func (b *bucket) start(t *testing.T) stores.Settings {
	t.Helper()
	at := time.Date(2026, 10, 31, 1, 2, 3, 456e6, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("list-type") == "2":
			_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>in/gl.csv</Key><LastModified>%s</LastModified><ETag>"a"</ETag><Size>%s</Size></Contents></ListBucketResult>`,
				at.Format("2006-01-02T15:04:05.000Z"), b.listed)
		case strings.HasSuffix(r.URL.Path, "/in/gl.csv"):
			if r.Method == http.MethodHead {
				b.looks++
			}
			w.Header().Set("ETag", `"`+b.etag(b.looks)+`"`)
			http.ServeContent(w, r, "", at, strings.NewReader(glText))
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`)
		}
	}))
	t.Cleanup(server.Close)
	return stores.Settings{URL: "s3://bucket?region=x&endpoint=" + server.URL, AccessKey: "a", SecretKey: "b"}
}

func TestAFileOfAFolderThatChangesIsNotSent(t *testing.T) {
	same := func(int) string { return "a" }
	for _, c := range []struct {
		name   string
		bucket bucket
		want   string // of the error; empty: it is sent
		files  int    // at the service
	}{
		{"its time is told more exactly in the list", bucket{listed: "9", etag: same}, "", 1},
		{"another size than in the list", bucket{listed: "8", etag: same}, "inbox/in/gl.csv changed since it was listed (8 bytes then, 9 now)", 0},
		{"replaced meanwhile by one of the same size", bucket{listed: "9", etag: func(looks int) string { return fmt.Sprint(looks) }},
			"inbox/in/gl.csv changed while it was being sent", fileAttempts},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, sim := withService(t, c.bucket.start(t))
			_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
			require.Len(t, sim.Files(), c.files)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			failed := applicationError(t, err)
			require.Equal(t, Unavailable, failed.Type())
			require.ErrorContains(t, failed, c.want)
		})
	}
}

// A large file of a folder goes on where it was, on the next attempt; where there is none, its parts are dropped.
func TestAFileOfAFolderIsGoneOnWithOrDropped(t *testing.T) {
	const parts, underWayAtOnce = 16, parstore.DefaultParallel
	refused := func(call string, after int) simulator.Fault {
		return simulator.Fault{Call: call, Kind: simulator.FaultStatus, Status: http.StatusBadRequest, After: after, Times: 1}
	}
	for _, c := range []struct {
		name  string
		fault simulator.Fault
	}{
		{"the store refuses a part", refused("part-put", 3)},
		{"the parts cannot be put together", refused("multipart-commit", 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, sim, dir := withFolder(t, map[string]string{"gl.dat": strings.Repeat("x", parts*64<<10)})
			moves := &moves{MetricsHandler: client.MetricsNopHandler}
			a.connections["prod"].seen.metrics = moves
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
			require.LessOrEqual(t, moves.bytes(directionUpload), int64((parts+underWayAtOnce)*64<<10), "what was there is not counted anew")
			require.Zero(t, moves.bytes(directionDownload))

			put(t, filepath.Join(dir, "in"), map[string]string{"gl.dat": strings.Repeat("y", parts*64<<10)})
			_, err = activityEnv(a).ExecuteActivity(a.DropTransfer, DropTransferInput{Connection: "prod", Left: interrupted()})
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
			require.Equal(t, 3, calls("multipart-abort"), "nobody goes on with it")
		})
	}
}

// moves keeps what is counted of bytes, by direction.
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

func TestAListOfWhatWasSentIsReadToItsEnd(t *testing.T) {
	line := `{"file":"inbox/in/gl.csv","file_id":"1","bytes":9}` + "\n"
	for _, c := range []struct {
		name  string
		list  io.Reader
		lines int
		wrong string
	}{
		{"whole", strings.NewReader(line + line), 2, ""},
		{"empty", strings.NewReader(""), 0, ""},
		{"cut off", strings.NewReader(line + line[:20]), 1, "line 2 is cut off or damaged"},
		{"cut off before the end of its line", strings.NewReader(line + strings.TrimSpace(line)), 1, "line 2 is cut off or damaged"},
		{"damaged", strings.NewReader(line + "\x00\x00\n" + line), 1, "line 2 is cut off or damaged"},
		{"the store fails", io.MultiReader(strings.NewReader(line+line[:20]), iotest.ErrReader(errors.New("disk trouble"))), 1, "disk trouble"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := readSentList(c.list)
			require.Len(t, files, c.lines)
			if c.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.wrong)
		})
	}
}

func TestAListThatCannotBeReadWholeProvesNothing(t *testing.T) {
	a, _, dir := withFolder(t, map[string]string{"gl.csv": glText})
	env := activityEnv(a)
	_, err := env.ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	look := ListSentFilesInput{Connection: "prod", ListTo: "inbox/in.sent.jsonl"}
	_, err = env.ExecuteActivity(a.ListSentFiles, look)
	require.NoError(t, err)

	name := filepath.Join(dir, "in.sent.jsonl")
	list, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(list, list[:20]...), 0o600))
	_, err = env.ExecuteActivity(a.ListSentFiles, look)
	failed := applicationError(t, err)
	require.Equal(t, Unavailable, failed.Type())
	require.ErrorContains(t, failed, "inbox/in.sent.jsonl: line 2 is cut off")
}

func TestAnAttemptThatDiedWithinALineIsGoneOnWith(t *testing.T) {
	a, _ := withInbox(t)
	at := time.Date(2026, 10, 31, 1, 2, 3, 0, time.UTC)
	list, err := a.stores.Stage(t.Context(), "inbox/in.sent.jsonl", "key")
	require.NoError(t, err)
	_, err = io.WriteString(list, `{"file":"inbox/in/a.csv","file_id":"1","bytes":9,"modified":"2026-10-31T01:02:03Z"}`+"\n"+`{"file":"inbox/in/b.csv"`)
	require.NoError(t, err)
	require.NoError(t, list.Suspend())
	files := []stores.Info{{Ref: "inbox/in/a.csv", Size: 9, ModTime: at}, {Ref: "inbox/in/b.csv", Size: 9, ModTime: at}}
	later, err := a.openSentList(t.Context(), "inbox/in.sent.jsonl", "key", files)
	require.NoError(t, err)
	defer func() { require.NoError(t, later.staging.Abort()) }()
	require.Equal(t, map[string]bool{"inbox/in/a.csv": true}, later.sent)
}

func TestAFoldersMarkerWithinIsNotSent(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"an empty one":       {"gl.csv": glText, "DONE": ""},
		"one that says more": {"gl.csv": glText, "DONE": "ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim, _ := withFolder(t, files)
			in := PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl", Marker: "inbox/in/DONE"}
			_, err := activityEnv(a).ExecuteActivity(a.PutFolder, in)
			require.NoError(t, err)
			require.Len(t, sim.Files(), 1)
			require.Equal(t, "gl.csv", sim.Files()[0].Name)
		})
	}
}

// A folder may hold thousands of files, and the service knows them by ids that are noted nowhere yet.
func TestTheFileOfAFolderThatFailsIsNamed(t *testing.T) {
	for _, call := range []string{"upload-par", "object-put", "scan-file"} {
		for status, kind := range map[int]string{400: Refused, 503: Unavailable} {
			t.Run(fmt.Sprint(call, " ", status), func(t *testing.T) {
				a, sim, _ := withFolder(t, map[string]string{"gl.csv": glText, "fx.csv": glText})
				a.connections["prod"].config.ScanAfterUpload = true
				sim.Inject(simulator.Fault{Call: call, Kind: simulator.FaultStatus, Status: status, Match: "gl.csv", Times: fileAttempts})
				_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
				failed := applicationError(t, err)
				require.Equal(t, kind, failed.Type())
				require.ErrorContains(t, failed, "inbox/in/gl.csv")
			})
		}
	}
}
