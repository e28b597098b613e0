// Package stores tests the stores against real servers: an S3 server and OpenSSH. The package internal/stores tests the
// same conformance suite against a folder and in-process servers; here it runs against those that are used in
// production.
package stores

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/stores/storestest"
	"github.com/pbsmflow/pbsmflow/tests/harness"
)

const (
	accessKey = "night-shift"
	secretKey = "not-a-secret-anywhere-else"
	bucket    = "reports"
)

func open(t *testing.T, p stores.Settings) *stores.Stores {
	t.Helper()
	s, err := stores.Open(t.Context(), map[string]stores.Settings{"s": p})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// s3Server is versitygw on a folder, behind a proxy that records the headers of requests.
type s3Server struct {
	endpoint string
	client   *s3.Client
	mu       sync.Mutex
	headers  []http.Header
}

func startS3(t *testing.T) *s3Server {
	t.Helper()
	program, err := harness.Binary("versitygw")
	require.NoError(t, err)
	data := t.TempDir()
	for _, folder := range []string{"data", "meta"} {
		require.NoError(t, os.Mkdir(filepath.Join(data, folder), 0o755))
	}
	socket := filepath.Join(data, "s3.sock") // unlike a free port, nobody else can take it
	run(t, exec.Command(program, "--port", socket, "--access", accessKey, "--secret", secretKey, "--region", "us-ashburn-1",
		"posix", "--sidecar", filepath.Join(data, "meta"), filepath.Join(data, "data")), "unix", socket)

	s := &s3Server{}
	direct := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(direct.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: direct, Rewrite: func(r *httputil.ProxyRequest) {
		s.mu.Lock()
		s.headers = append(s.headers, r.In.Header.Clone())
		s.mu.Unlock()
		r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host
		r.Out.Host = r.In.Host // it is signed
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	s.endpoint = "http://" + listener.Addr().String()
	s.client = s3.New(s3.Options{
		BaseEndpoint: aws.String("http://s3.test"), HTTPClient: &http.Client{Transport: direct}, Region: "us-ashburn-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	_, err = s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	require.NoError(t, err)
	return s
}

// settings is the bucket, or a folder of it.
func (s *s3Server) settings(prefix string) stores.Settings {
	q := url.Values{"region": {"us-ashburn-1"}, "endpoint": {s.endpoint}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return stores.Settings{URL: "s3://" + bucket + "?" + q.Encode(), AccessKey: accessKey, SecretKey: secretKey}
}

func TestS3_conformance(t *testing.T) {
	server := startS3(t)
	t.Run("bucket", func(t *testing.T) { storestest.Run(t, open(t, server.settings("")), "s") })
	t.Run("folder of a bucket", func(t *testing.T) { storestest.Run(t, open(t, server.settings("night/out")), "s") })
	t.Run("large file resumed", func(t *testing.T) {
		storestest.Resume(t, func() *stores.Stores { return open(t, server.settings("night/out")) }, "s", storestest.PartSize, nil)
	})

	t.Run("no abandoned uploads", func(t *testing.T) {
		uploads, err := server.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		require.NoError(t, err)
		assert.Empty(t, uploads.Uploads)
	})
	t.Run("no checksums that Oracle refuses", func(t *testing.T) {
		server.mu.Lock()
		defer server.mu.Unlock()
		require.NotEmpty(t, server.headers)
		for _, headers := range server.headers {
			for name := range headers {
				for _, refused := range []string{"X-Amz-Checksum-", "X-Amz-Sdk-Checksum-", "X-Amz-Trailer"} {
					require.False(t, strings.HasPrefix(name, refused), "%s: %s", name, headers.Get(name))
				}
			}
			require.NotContains(t, headers.Get("Content-Encoding"), "aws-chunked")
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		settings := server.settings("")
		settings.SecretKey = "wrong-" + secretKey
		store := open(t, settings)
		err := store.Check(t.Context(), "s")
		require.Error(t, err)
		require.NotContains(t, err.Error(), secretKey)
		_, err = store.Stat(t.Context(), "s/gl.csv")
		require.ErrorIs(t, err, fs.ErrPermission, "retrying does not help")
	})
	t.Run("no such bucket", func(t *testing.T) {
		settings := server.settings("")
		settings.URL = strings.Replace(settings.URL, bucket, "other", 1)
		require.Error(t, open(t, settings).Check(t.Context(), "s"))
	})
	t.Run("credentials of the environment", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
		t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
		settings := server.settings("")
		settings.AccessKey, settings.SecretKey = "", ""
		require.NoError(t, open(t, settings).Check(t.Context(), "s"))
	})
}

// run starts a server, waits until it listens, and ends it with the test.
func run(t *testing.T, command *exec.Cmd, network, address string) {
	t.Helper()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(output.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", filepath.Base(command.Path), err, output.String())
		case <-ctx.Done():
			t.Fatal("nothing listens on " + address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
