package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

const glText = "ID,B\n1,2\n"

// inFolder is the upload of the tests.
var inFolder = Folder{Path: "inbox/in/", ListTo: "inbox/in.sent.jsonl", Key: "key"}

// newMover has one store, inbox, and a simulated service that takes files of 128 KiB and more in parts of 64 KiB.
func newMover(t *testing.T, inbox stores.Settings) (*Mover, *simulator.Simulator) {
	t.Helper()
	sim := simtest.Start(t, simulator.Options{})
	objects, err := parstore.New(parstore.Options{
		CAFile:    sim.CAFile(),
		PARHosts:  []string{"127.0.0.1"},
		PartSize:  64 << 10,
		Threshold: 128 << 10,
	})
	require.NoError(t, err)
	t.Cleanup(objects.Close)
	opened, err := stores.Open(t.Context(), map[string]stores.Settings{"inbox": inbox})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return &Mover{
		Stores:      opened,
		Objects:     objects,
		Service:     simtest.Service(t, sim),
		Pace:        rate.NewLimiter(rate.Inf, 1),
		MaxFileSize: 1 << 40,
	}, sim
}

// withFiles is newMover with a folder as its inbox, dir, in which the folder in has these files.
func withFiles(t *testing.T, files map[string]string) (m *Mover, sim *simulator.Simulator, dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "in", name), []byte(text), 0o600))
	}
	m, sim = newMover(t, stores.Settings{URL: "file://" + dir})
	return m, sim, dir
}

// caller is who runs an attempt. It retries everything.
type caller struct {
	Attempt
	saved []byte       // last
	most  int64        // the most bytes that were done at once
	moved atomic.Int64 // in all
}

func newCaller(saved []byte) *caller {
	c := &caller{}
	c.Attempt = Attempt{
		State: saved,
		Save: func(state []byte) {
			c.saved = state
			c.most = max(c.most, c.Progress().Done)
		},
		Confirm: func(context.Context) error { return nil },
		Moved:   func(bytes int64) { c.moved.Add(bytes) },
		Retry:   func(error) (time.Duration, bool) { return 0, true },
	}
	return c
}

// bucket responds like a server whose list has milliseconds and whose HEAD has seconds.
type bucket struct {
	listed string                 // the size of in/gl.csv in the list
	etag   func(heads int) string // of in/gl.csv
	heads  int
}

func (b *bucket) start(t *testing.T) stores.Settings {
	t.Helper()
	at := time.Date(2026, 10, 31, 1, 2, 3, 456e6, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("list-type") == "2":
			_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents>`+
				`<Key>in/gl.csv</Key><LastModified>%s</LastModified><ETag>"a"</ETag><Size>%s</Size></Contents></ListBucketResult>`,
				at.Format("2006-01-02T15:04:05.000Z"), b.listed)
		case strings.HasSuffix(r.URL.Path, "/in/gl.csv"):
			if r.Method == http.MethodHead {
				b.heads++
			}
			w.Header().Set("ETag", `"`+b.etag(b.heads)+`"`)
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

func TestUploadFolder_changedFile(t *testing.T) {
	same := func(int) string { return "a" }
	for _, c := range []struct {
		name   string
		bucket bucket
		want   string // of the error; empty: it is sent
		files  int    // at the service
	}{
		{"list has a more exact time", bucket{listed: "9", etag: same}, "", 1},
		{"list has another size", bucket{listed: "8", etag: same}, "inbox/in/gl.csv changed since it was listed (8 bytes then, 9 now)", 0},
		{"replaced by one of the same size", bucket{listed: "9", etag: func(heads int) string { return fmt.Sprint(heads) }},
			"inbox/in/gl.csv changed while it was being sent", fileAttempts},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, sim := newMover(t, c.bucket.start(t))
			_, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
			require.Len(t, sim.Files(), c.files)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestUploadFolder_doesNotSendItsMarker(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "with text": "ok\n"} {
		t.Run(name, func(t *testing.T) {
			m, sim, _ := withFiles(t, map[string]string{"gl.csv": glText, "DONE": text})
			folder := inFolder
			folder.Marker = "inbox/in/DONE"
			_, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, folder)
			require.NoError(t, err)
			require.Len(t, sim.Files(), 1)
			require.Equal(t, "gl.csv", sim.Files()[0].Name)
		})
	}
}

func TestUploadFolder_halfWrittenFile(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"by its name":  {map[string]string{"gl.csv": glText, "rates.csv.filepart": glText}, "inbox/in/ is not complete: inbox/in/rates.csv.filepart: is still being written"},
		"hidden":       {map[string]string{"gl.csv": glText, ".gl.csv.aB3xYz": glText}, "inbox/in/ is not complete: inbox/in/.gl.csv.aB3xYz: is still"},
		"empty":        {map[string]string{"gl.csv": glText, "fees.csv": "\n"}, "inbox/in/ is not complete: inbox/in/fees.csv: has 1 bytes; the service accepts 2 and more"},
		"nothing else": {map[string]string{"rates.csv.tmp": glText}, "inbox/in/ is not complete: inbox/in/rates.csv.tmp"},
	} {
		t.Run(name, func(t *testing.T) {
			m, sim, _ := withFiles(t, c.files)
			_, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
			var missing *MissingError
			require.ErrorAs(t, err, &missing)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, sim.Files())
		})
	}
}

func TestUploadFolder_refusesFilesInItsFolders(t *testing.T) {
	m, sim, dir := withFiles(t, map[string]string{"gl.csv": glText})
	put := func(name string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "in", filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "in", name), []byte(glText), 0o600))
	}
	for _, name := range []string{".git/config", "lost+found/1", "__MACOSX/gl.csv", "old/.DS_Store"} {
		put(name)
	}
	_, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	require.NoError(t, err, "nobody means these")
	require.Len(t, sim.Files(), 1)
	for i := range 25 {
		put(fmt.Sprintf("old/%02d/gl.csv", i))
	}
	_, err = m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	var problems problem.List
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 21)
	require.Equal(t, "inbox/in/old/00/gl.csv", problems[0].Path)
	require.Contains(t, problems[0].Message, "is in a folder of the folder, which is not uploaded")
	require.Equal(t, "and 5 more", problems[20].Message)
	require.Len(t, sim.Files(), 1)
}

func TestUploadFolder_leavesOutWhatNobodyMeans(t *testing.T) {
	files := map[string]string{"gl.csv": glText, "Thumbs.db": "x", ".DS_Store": "x"}
	m, sim, _ := withFiles(t, files)
	sent, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	require.NoError(t, err)
	require.Equal(t, []string{".DS_Store", "Thumbs.db"}, sent.LeftOut)
	require.Len(t, sim.Files(), 1)
	for i := range 25 {
		files[fmt.Sprintf("gl%d.csv~", i)] = glText
	}
	m, _, _ = withFiles(t, files)
	sent, err = m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	require.NoError(t, err)
	require.Len(t, sent.LeftOut, 21)
	require.Equal(t, "and 7 more", sent.LeftOut[20])
}

// A worker that died has left the staging file of the list, which must not hold up the next attempt.
func TestUploadFolder_listInTheFolder(t *testing.T) {
	m, sim, _ := withFiles(t, map[string]string{"gl.csv": glText})
	folder := inFolder
	folder.ListTo = "inbox/in/sent.jsonl"
	list, err := m.Stores.Stage(t.Context(), folder.ListTo, "another key")
	require.NoError(t, err)
	require.NoError(t, list.Suspend())
	for range 2 {
		_, err = m.UploadFolder(t.Context(), &newCaller(nil).Attempt, folder)
		require.NoError(t, err)
	}
	require.Len(t, sim.Files(), 2)
}

func TestReadSentList(t *testing.T) {
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
		{"without its last line break", strings.NewReader(line + strings.TrimSpace(line)), 1, "line 2 is cut off or damaged"},
		{"damaged", strings.NewReader(line + "\x00\x00\n" + line), 1, "line 2 is cut off or damaged"},
		{"store fails", io.MultiReader(strings.NewReader(line+line[:20]), iotest.ErrReader(errors.New("disk trouble"))), 1, "disk trouble"},
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

func TestOpenSentList_resumesAfterDeathWithinALine(t *testing.T) {
	m, _, _ := withFiles(t, nil)
	at := time.Date(2026, 10, 31, 1, 2, 3, 0, time.UTC)
	list, err := m.Stores.Stage(t.Context(), "inbox/in.sent.jsonl", "key")
	require.NoError(t, err)
	_, err = io.WriteString(list, `{"file":"inbox/in/a.csv","file_id":"1","bytes":9,"modified":"2026-10-31T01:02:03Z"}`+"\n"+`{"file":"inbox/in/b.csv"`)
	require.NoError(t, err)
	require.NoError(t, list.Suspend())
	files := []stores.Info{{Ref: "inbox/in/a.csv", Size: 9, ModTime: at}, {Ref: "inbox/in/b.csv", Size: 9, ModTime: at}}
	later, err := m.openSentList(t.Context(), "inbox/in.sent.jsonl", "key", files)
	require.NoError(t, err)
	defer func() { require.NoError(t, later.file.Abort()) }()
	require.Equal(t, map[string]bool{"inbox/in/a.csv": true}, later.sent)
}

// A folder that was uploaded, and that somebody is writing to again.
func TestFolderChange_halfWrittenFile(t *testing.T) {
	m, _, dir := withFiles(t, map[string]string{"gl.csv": glText})
	sent, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	require.NoError(t, err)
	change, err := m.FolderChange(t.Context(), inFolder, sent.SHA256)
	require.NoError(t, err)
	require.Empty(t, change)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in", "gl.csv.filepart"), nil, 0o600))
	change, err = m.FolderChange(t.Context(), inFolder, sent.SHA256)
	require.NoError(t, err)
	require.Contains(t, change, "inbox/in/ is not complete")
}
