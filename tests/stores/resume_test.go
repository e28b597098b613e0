package stores

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	fileSize = 96<<20 + 7
	partSize = 10 << 20
	parallel = 2
	seconds  = 3 // for a transfer, so that there is time for the kill
)

// onEachServer runs a test, which has to leave exactly one file, on an S3 and on an SFTP server.
func onEachServer(t *testing.T, try func(t *testing.T, settings stores.Settings)) {
	t.Parallel()
	t.Run("S3", func(t *testing.T) {
		t.Parallel()
		server := startS3(t)
		try(t, server.settings("night/out"))
		left, err := server.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("night/out/")})
		require.NoError(t, err)
		require.Len(t, left.Contents, 1)
		uploads, err := server.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		require.NoError(t, err)
		require.Empty(t, uploads.Uploads)
	})
	t.Run("SFTP", func(t *testing.T) {
		t.Parallel()
		server, dir := startOpenSSH(t), t.TempDir()
		settings := server.settings(dir)
		settings.KnownHosts = server.known(t, "host_ed25519")
		try(t, settings)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}

// reportsAt returns the options that make settings the store of the reports.
func reportsAt(settings stores.Settings) map[string]string {
	options := map[string]string{
		"stores.reports.url":         settings.URL,
		"stores.reports.access_key":  settings.AccessKey,
		"stores.reports.secret_key":  settings.SecretKey,
		"stores.reports.key_file":    settings.KeyFile,
		"stores.reports.known_hosts": settings.KnownHosts,
	}
	maps.DeleteFunc(options, func(_, value string) bool { return value == "" })
	return options
}

// Killing a worker during a large download costs only the parts in transit, also if the file is saved on a server.
func TestDownload_resumesAfterWorkerKill(t *testing.T) { onEachServer(t, downloadOutlives) }

func downloadOutlives(t *testing.T, settings stores.Settings) {
	t.Helper()
	options := reportsAt(settings)
	maps.Copy(options, map[string]string{
		"connection.transfer.parallel": strconv.Itoa(parallel), "connection.transfer.part_size": strconv.Itoa(partSize),
		"connection.transfer.threshold": strconv.Itoa(partSize), "connection.transfer.bandwidth": strconv.Itoa(fileSize / seconds),
	})
	e := harness.New(t, harness.Options{Settings: options})
	sum := harness.WriteNoise(t, filepath.Join(e.Inbox, "ledger.dat"), fileSize)
	var up, down workflows.FileResult
	require.NoError(t, e.Await(e.Start(t.Name()+"/up", workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"}), &up))
	require.Equal(t, sum, up.SHA256)

	sent := func() (bytes int64) {
		for _, entry := range e.Calls("object-get") {
			bytes += entry.Out
		}
		return bytes
	}
	run := e.Start(t.Name()+"/down", workflows.DownloadFile, workflows.DownloadFileInput{Connection: e.Connection, FileID: up.FileID, SaveTo: "reports/copy.dat"})
	e.Until("half of the file is transferred", func() bool { return sent() >= fileSize/2 })
	e.Worker.Kill()
	e.StartWorker()
	require.NoError(t, e.Await(run, &down))
	require.Empty(t, down.Note, "it continued with what it had")
	require.Equal(t, sum, down.SHA256)
	t.Logf("%d bytes sent of %d: %+.1f parts", sent(), fileSize, float64(sent()-fileSize)/partSize)
	require.LessOrEqual(t, sent(), int64(fileSize+parallel*partSize), "more than one part per stream was sent twice")

	saved, err := open(t, settings).Open(t.Context(), "s/copy.dat")
	require.NoError(t, err)
	defer saved.Close()
	require.Equal(t, sum, harness.SHA256(t, saved))
}

// Killing a worker during the upload of a folder costs only the files of a few seconds, also if the list of uploaded
// files is on a server.
func TestUploadFolder_resumesAfterWorkerKill(t *testing.T) { onEachServer(t, folderOutlives) }

func folderOutlives(t *testing.T, settings stores.Settings) {
	t.Helper()
	const files, slow = 400, 200 * time.Millisecond
	e := harness.New(t, harness.Options{Settings: reportsAt(settings)})
	for i := range files {
		e.Write(e.Inbox, fmt.Sprintf("extracts/part-%04d.csv", i), harness.Ledger(i+1))
	}
	e.Sim.Inject(simulator.Fault{Call: "object-put", Kind: simulator.FaultDelayBefore, Delay: slow})
	sent := func() int { return len(e.Calls("object-put", harness.Processed)) }
	run := e.Start(t.Name(), workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/extracts/", ListTo: "reports/extracts.jsonl"})
	e.Until("most of the files are uploaded", func() bool { return sent() >= files*3/4 })
	before := sent()
	e.Worker.Kill()
	e.StartWorker()
	var up workflows.FileResult
	require.NoError(t, e.Await(run, &up))
	require.EqualValues(t, files, up.Files)
	t.Logf("%d of %d files were uploaded before the kill, %d in total", before, files, sent())
	require.Less(t, sent(), files+before/2, "it continued after the files in the list")

	list, err := open(t, settings).Open(t.Context(), "s/extracts.jsonl")
	require.NoError(t, err)
	defer list.Close()
	names := map[string]bool{}
	for lines := bufio.NewScanner(list); lines.Scan(); {
		var line activities.SentFile
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		names[line.File] = true
	}
	require.Len(t, names, files)
}
