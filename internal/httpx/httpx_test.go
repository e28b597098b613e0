package httpx

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 10, 31, 1, 0, 0, 0, time.UTC)

func retryAfter(value string) time.Duration {
	return RetryAfter(http.Header{"Retry-After": {value}}, now, time.Hour)
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"120":                              2 * time.Minute,
		" 5 ":                              5 * time.Second,
		"3600":                             time.Hour,
		"3601":                             time.Hour,
		"999999999999":                     time.Hour,
		"99999999999999999999999":          time.Hour,
		"-5":                               0,
		"1.5":                              0,
		"soon":                             0,
		"Sat, 31 Oct 2026 01:01:30 GMT":    90 * time.Second,
		"Saturday, 31-Oct-26 01:01:30 GMT": 90 * time.Second,
		"Sat Oct 31 01:01:30 2026":         90 * time.Second,
		"Sat, 31 Oct 2026 00:00:00 GMT":    0,
		"Sun, 01 Nov 2026 01:00:00 GMT":    time.Hour,
		"Sat, 31 Oct 2026 01:01:30 CET":    0,
	} {
		assert.Equal(t, want, retryAfter(value), value)
	}
	assert.Zero(t, RetryAfter(http.Header{}, now, time.Hour))
	assert.Equal(t, 1500*time.Millisecond, RetryAfter(http.Header{"Retry-After": {"7"}}, now, 1500*time.Millisecond))
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "7", "-1", "99999999999999999999999", "Sat, 31 Oct 2026 01:01:30 GMT", "Sat Oct 31 01:01:30 9999"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if wait := retryAfter(value); wait < 0 || wait > time.Hour {
			t.Errorf("Retry-After %q: %s", value, wait)
		}
	})
}

func TestTransient(t *testing.T) {
	for status, want := range map[int]bool{200: false, 307: false, 400: false, 401: false, 404: false, 408: true, 425: true, 429: true, 500: true, 501: false, 503: true} {
		assert.Equal(t, want, Transient(status), status)
	}
}

func TestTraceConnection(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	get := func() bool {
		ctx, connected := TraceConnection(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		assert.False(t, connected())
		if answer, err := server.Client().Do(request); err == nil {
			answer.Body.Close()
		}
		return connected()
	}
	assert.True(t, get())
	server.Close()
	assert.False(t, get())
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"": false, "10.0.0.1": false, "0.0.0.0": false, "localhost.example.com": false, "127.0.0.1.example.com": false,
	} {
		assert.Equal(t, want, IsLoopback(host), host)
	}
}

func TestCheckURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://host/tenant":      "",
		"https://host:8443":        "",
		"":                         "is missing",
		"https://[secret":          "is not a URL",
		"http://127.0.0.1:8080/t":  "",
		"http://[::1]:8080":        "",
		"http://host":              "must start with https://",
		"http://localhost.example": "must start with https://",
		"ftp://localhost":          "must start with https://",
		"host":                     "must start with https://",
		"https:///path":            "has no host",
		"https://user:secret@host": "must not contain a user or a password",
		"https://host?key=secret":  "must not have a query or a fragment",
		"https://host/#secret":     "must not have a query or a fragment",
		"https://host/?":           "must not have a query or a fragment",
	} {
		requireMessage(t, want, CheckURL(text), text)
	}
}

func TestCheckHeaderValue(t *testing.T) {
	for value, want := range map[string]string{
		"value of a header": "",
		"größe":             "",
		"":                  "is missing",
		"a\r\nb":            "must not contain control characters",
		"a\x7f":             "must not contain control characters",
		" a":                "must not start or end with a space",
		"a ":                "must not start or end with a space",
	} {
		requireMessage(t, want, CheckHeaderValue(value), value)
	}
}

func requireMessage(t *testing.T, want string, err error, about string) {
	t.Helper()
	if want == "" {
		require.NoError(t, err, about)
		return
	}
	require.EqualError(t, err, want, about)
}

func TestTLSConfig(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	get := func(config *tls.Config) error {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		answer, err := client.Get(server.URL)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	for name, c := range map[string]struct {
		text     string // of the CA file; none when empty
		insecure bool
		refused  string // what TLSConfig says
		wantErr  string // what a request says
	}{
		"the system's authorities": {wantErr: "certificate signed by unknown authority"},
		"insecure":                 {insecure: true},
		"an authority":             {text: "# a comment\n" + string(authority)},
		"nothing":                  {text: "\n", refused: "contains no certificate in PEM form"},
		"a key":                    {text: string(authority) + "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", refused: "contains a PRIVATE KEY; only certificates"},
		"a damaged certificate":    {text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", refused: "malformed certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			file := ""
			if c.text != "" {
				file = filepath.Join(t.TempDir(), "ca.pem")
				require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			}
			config, err := TLSConfig(file, c.insecure)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				require.ErrorContains(t, err, file)
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, tls.VersionTLS12, config.MinVersion)
			if err := get(config); c.wantErr != "" {
				require.ErrorContains(t, err, c.wantErr)
			} else {
				require.NoError(t, err)
			}
		})
	}
	_, err := TLSConfig("/does/not/exist", false)
	require.ErrorIs(t, err, os.ErrNotExist)
}
