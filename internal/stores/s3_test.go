package stores

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inS3 is a store in a bucket of a server that answers like this.
func inS3(t *testing.T, answer http.HandlerFunc) *Stores {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), map[string]Place{"s": {URL: "s3://b1?region=r&endpoint=" + server.URL, AccessKey: "a", SecretKey: "b"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// What no attempt of ours mends would be tried for a night, and nobody be asked.
func TestABucketThatRefusesAKeySaysSoOfEveryCall(t *testing.T) {
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
			require.ErrorIs(t, p.Restart(t.Context(), 1), fs.ErrPermission)
		})
	}
}
