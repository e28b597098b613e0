package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	partSize  = 10 << 20
	parallel  = 4
	killSpeed = 4 // seconds for the whole file, so that there is time for the kill
)

// transferSize returns the size of the files in bytes: PBSMFLOW_TRANSFER_SIZE, or 2 GiB with PBSMFLOW_LARGE=1, or a
// size for every run of the tests.
func transferSize(t testing.TB) int64 {
	t.Helper()
	if text := os.Getenv("PBSMFLOW_TRANSFER_SIZE"); text != "" {
		size, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return size
	}
	if os.Getenv("PBSMFLOW_LARGE") == "1" {
		return 2 << 30
	}
	return 256 << 20
}

// Killing a worker during the transfer of a large file costs only the parts in transit. The packages transfer and
// activities test resuming part by part; this test kills real processes.
func TestTransfer_resumesAfterWorkerKill(t *testing.T) {
	t.Parallel()
	size := transferSize(t)
	for _, percent := range []int64{20, 50, 90} {
		t.Run(fmt.Sprintf("at %d percent", percent), func(t *testing.T) {
			t.Parallel()
			e := harness.New(t, harness.Options{Settings: map[string]string{
				"connection.transfer.parallel":  strconv.Itoa(parallel),
				"connection.transfer.part_size": strconv.Itoa(partSize),
				"connection.transfer.bandwidth": strconv.FormatInt(size/killSpeed, 10),
			}})
			source := filepath.Join(e.Inbox, "ledger.dat")
			sum := harness.WriteNoise(t, source, size)
			t.Cleanup(func() { _ = os.RemoveAll(e.Inbox); _ = os.RemoveAll(e.Reports) })

			// sent returns the bytes of all requests so far, including aborted ones.
			sent := func(call string) (bytes int64) {
				for _, entry := range e.Calls(call) {
					bytes += entry.In + entry.Out
				}
				return bytes
			}
			killed := func(call string) {
				e.Until(fmt.Sprintf("%d%% of the file is transferred", percent), func() bool { return sent(call) >= size*percent/100 })
				e.Worker.Kill()
				e.StartWorker()
			}
			within := func(call string) {
				t.Helper()
				t.Logf("%s: %d bytes sent of %d: %+.1f parts", call, sent(call), size, float64(sent(call)-size)/partSize)
				require.LessOrEqual(t, sent(call), size+parallel*partSize, "more than one part per stream was sent twice")
			}

			var up workflows.FileResult
			run := e.Start(t.Name()+"/upload", workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"})
			killed("part-put")
			require.NoError(t, e.Await(run, &up))
			within("part-put")
			require.Equal(t, sum, up.SHA256)
			require.Equal(t, size, up.Bytes)
			require.Len(t, e.Calls("multipart-create"), 1)
			require.Len(t, e.Calls("upload-par"), 1)

			var down workflows.FileResult
			run = e.Start(t.Name()+"/download", workflows.DownloadFile, workflows.DownloadFileInput{Connection: e.Connection, FileID: up.FileID, SaveTo: "reports/copy.dat"})
			killed("object-get")
			require.NoFileExists(t, filepath.Join(e.Reports, "copy.dat"))
			require.NoError(t, e.Await(run, &down))
			within("object-get")
			require.Equal(t, sum, down.SHA256)
			require.Equal(t, up.Rows, down.Rows)
			require.Empty(t, down.Note)
			require.Equal(t, sum, harness.FileSHA256(t, filepath.Join(e.Reports, "copy.dat")))
			left, err := os.ReadDir(e.Reports)
			require.NoError(t, err)
			require.Len(t, left, 1, "nothing but the file is there")
		})
	}
}

// The same for a folder with large files, each of which is resumed.
func TestUploadFolder_resumesLargeFilesAfterWorkerKill(t *testing.T) {
	t.Parallel()
	const files, size = 2, 12 * partSize
	e := harness.New(t, harness.Options{Settings: map[string]string{
		"connection.transfer.parallel":  strconv.Itoa(parallel),
		"connection.transfer.part_size": strconv.Itoa(partSize),
		"connection.transfer.bandwidth": strconv.Itoa(files * size / killSpeed),
	}})
	t.Cleanup(func() { _ = os.RemoveAll(e.Inbox) })
	require.NoError(t, os.MkdirAll(filepath.Join(e.Inbox, "in"), 0o755))
	var sum string
	for i := range files {
		sum = harness.WriteNoise(t, filepath.Join(e.Inbox, "in", fmt.Sprintf("%d.dat", i)), size)
	}
	sent := func() (bytes int64) {
		for _, entry := range e.Calls("part-put") {
			bytes += entry.In
		}
		return bytes
	}
	var up workflows.FileResult
	run := e.Start(t.Name(), workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/in/"})
	e.Until("half of it is transferred", func() bool { return sent() >= files*size/2 })
	e.Worker.Kill()
	e.StartWorker()
	require.NoError(t, e.Await(run, &up))
	t.Logf("%d bytes sent of %d: %+.1f parts", sent(), files*size, float64(sent()-files*size)/partSize)
	require.LessOrEqual(t, sent(), int64(files*size+parallel*partSize), "more than one part per stream was sent twice")
	require.EqualValues(t, files, up.Files)
	require.Len(t, e.Calls("multipart-create"), files)
	require.Len(t, e.Calls("upload-par"), files)
	for _, file := range e.Sim.Files() {
		object, err := e.Sim.Object(file.ID)
		require.NoError(t, err)
		got := sha256.New()
		_, err = io.Copy(got, object)
		require.NoError(t, errors.Join(err, object.Close()))
		require.Equal(t, sum, hex.EncodeToString(got.Sum(nil)))
	}
}
