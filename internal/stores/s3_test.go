package stores

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inS3 is a store in a bucket of a server that responds like this.
func inS3(t *testing.T, answer http.HandlerFunc) *Stores {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), map[string]Settings{"s": {URL: "s3://b1?region=r&endpoint=" + server.URL, AccessKey: "a", SecretKey: "b"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// Retries would not help: an operator is asked.
func TestS3_refusedKey(t *testing.T) {
	for _, code := range []string{"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"} {
		t.Run(code, func(t *testing.T) {
			s := inS3(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
			})
			_, err := s.Stat(t.Context(), "s/x.csv")
			require.ErrorIs(t, err, fs.ErrPermission)
			_, err = s.Open(t.Context(), "s/x.csv")
			require.ErrorIs(t, err, fs.ErrPermission)
			w, err := s.Create(t.Context(), "s/x.csv")
			require.NoError(t, err)
			_, err = io.WriteString(w, "x")
			require.NoError(t, err)
			require.ErrorIs(t, w.Commit(), fs.ErrPermission)
			p, err := s.Parts(t.Context(), "s/x.csv", "key", nil)
			require.NoError(t, err)
			require.ErrorIs(t, p.Reset(t.Context(), 1), fs.ErrPermission)
		})
	}
}

// Heartbeats continue while a server hangs: without a timeout the transfer would hang for a day.
func TestS3_hangingServerTimesOut(t *testing.T) {
	SetIdleTimeout(t, 200*time.Millisecond)
	hung := make(chan struct{})
	s := inS3(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", "1000")
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		<-hung
	})
	t.Cleanup(func() { close(hung) })
	t.Run("read", func(t *testing.T) {
		r, err := s.Section(t.Context(), "s/x.csv", 0, 1000)
		require.NoError(t, err)
		defer r.Close()
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
	t.Run("write", func(t *testing.T) {
		w, err := s.Create(t.Context(), "s/x.csv")
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 8<<20))
		require.NoError(t, err)
		require.Error(t, w.Commit()) // the deadline, or the connection that it closed
	})
}
