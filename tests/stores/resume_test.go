package stores

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	fileSize = 96<<20 + 7
	partSize = 10 << 20
	parallel = 2
	seconds  = 3 // that a transfer takes, so that there is a moment to kill at
)

// A worker that dies in the middle of a large download costs the parts that were under way, also
// where the file goes to a server.
func TestADownloadOutlivesItsWorker(t *testing.T) {
	t.Run("to an S3 bucket", func(t *testing.T) {
		t.Parallel()
		server := startS3(t)
		outlive(t, server.place("night/out"))
		uploads, err := server.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		require.NoError(t, err)
		require.Empty(t, uploads.Uploads)
	})
	t.Run("to an SFTP server", func(t *testing.T) {
		t.Parallel()
		server, dir := startOpenSSH(t), t.TempDir()
		place := server.place(dir)
		place.KnownHosts = server.known(t, "host_ed25519")
		outlive(t, place)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing but the file is left")
	})
}

func outlive(t *testing.T, place stores.Place) {
	t.Helper()
	settings := map[string]string{
		"connection.transfer.parallel": strconv.Itoa(parallel), "connection.transfer.part_size": strconv.Itoa(partSize),
		"connection.transfer.threshold": strconv.Itoa(partSize), "connection.transfer.bandwidth": strconv.Itoa(fileSize / seconds),
		"stores.reports.url": place.URL, "stores.reports.access_key": place.AccessKey, "stores.reports.secret_key": place.SecretKey,
		"stores.reports.key_file": place.KeyFile, "stores.reports.known_hosts": place.KnownHosts,
	}
	for key, value := range settings {
		if value == "" {
			delete(settings, key)
		}
	}
	e := harness.New(t, harness.Options{Settings: settings})
	sum := writeNoise(t, filepath.Join(e.Inbox, "ledger.dat"))
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
	e.Until("half of the file is there", func() bool { return sent() >= fileSize/2 })
	e.Worker.Kill()
	e.StartWorker()
	require.NoError(t, e.Await(run, &down))
	require.Empty(t, down.Note, "it went on with what it had")
	require.Equal(t, sum, down.SHA256)
	t.Logf("%d bytes sent of %d: %+.1f parts", sent(), fileSize, float64(sent()-fileSize)/partSize)
	require.LessOrEqual(t, sent(), int64(fileSize+parallel*partSize), "more than one part per stream was sent twice")

	saved, err := open(t, place).Open(t.Context(), "s/copy.dat")
	require.NoError(t, err)
	defer saved.Close()
	got := sha256.New()
	_, err = io.Copy(got, saved)
	require.NoError(t, err)
	require.Equal(t, sum, hex.EncodeToString(got.Sum(nil)))
}

// writeNoise makes a file that looks like nothing, and gives its SHA-256.
func writeNoise(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, sum), rand.NewChaCha8([32]byte{1}), fileSize)
	require.NoError(t, err)
	return hex.EncodeToString(sum.Sum(nil))
}
