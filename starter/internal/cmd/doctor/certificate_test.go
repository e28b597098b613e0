package doctor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFetch_chainIsSavedAndTrusted(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	chain, err := fetchChain(context.Background(), server.URL+"/tenant")
	require.NoError(t, err)
	assert.Zero(t, requests.Load(), "nothing is sent to a server that is not trusted")

	now := time.Now()
	assert.ErrorContains(t, chain.verify("", now), "unknown authority")
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, chain.toPEM(), 0o600))
	assert.NoError(t, chain.verify(file, now))
	assert.ErrorContains(t, chain.verify(file, server.Certificate().NotAfter.Add(time.Hour)), "expired")
	elsewhere := chain
	elsewhere.host = "elsewhere.test"
	assert.ErrorContains(t, elsewhere.verify(file, now), "elsewhere.test")

	sum := sha256.Sum256(server.Certificate().Raw)
	plain := strings.ReplaceAll(strings.Join(chain.fingerprints(), "\n"), ":", "")
	assert.Contains(t, plain, fmt.Sprintf("%X", sum))
}

func TestFacts_warnOfExpiry(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	chain, err := fetchChain(context.Background(), server.URL)
	require.NoError(t, err)
	end := server.Certificate().NotAfter
	for at, want := range map[time.Time]string{
		end.Add(time.Hour):            "EXPIRED",
		end.Add(-5*24*time.Hour - 60): "in 5 days: renew",
	} {
		assert.Contains(t, strings.Join(chain.facts(at), "\n"), want)
	}
	assert.NotContains(t, strings.Join(chain.facts(end.AddDate(-1, 0, 0)), "\n"), "(")
}

func TestFetch_errors(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, url := range []string{"http://host/tenant", "https://", "://", "https://" + plain.Listener.Addr().String()} {
		_, err := fetchChain(context.Background(), url)
		assert.Error(t, err, url)
	}
}
