package codecserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
)

const uiOrigin = "https://temporal.example.com"

func startCodec(t *testing.T) (string, *encryption.Keyring, *bytes.Buffer) {
	t.Helper()
	keys, err := encryption.NewKeyring("a", map[string][]byte{"a": bytes.Repeat([]byte{1}, 32)})
	require.NoError(t, err)
	var log bytes.Buffer
	server := httptest.NewServer(newHandler(keys, []string{"http://localhost:8080", uiOrigin}, slog.New(slog.NewTextHandler(&log, nil))))
	t.Cleanup(server.Close)
	return server.URL, keys, &log
}

func TestHandler_opensAndSeals(t *testing.T) {
	url, keys, log := startCodec(t)
	plain, err := converter.GetDefaultDataConverter().ToPayload("planted")
	require.NoError(t, err)
	remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: url, ModifyRequest: func(r *http.Request) error {
		r.Header.Set("Origin", uiOrigin)
		r.Header.Set("X-Namespace", "default")
		return nil
	}})
	sealed, err := remote.Encode([]*commonpb.Payload{plain})
	require.NoError(t, err)
	assert.NotContains(t, string(sealed[0].Data), "planted")
	opened, err := keys.Decode(sealed)
	require.NoError(t, err)
	assert.Equal(t, `"planted"`, string(opened[0].Data))
	opened, err = remote.Decode([]*commonpb.Payload{sealed[0], plain})
	require.NoError(t, err)
	assert.Equal(t, `"planted"`, string(opened[0].Data))
	assert.Equal(t, `"planted"`, string(opened[1].Data))
	assert.Contains(t, log.String(), "path=/decode")
	assert.Contains(t, log.String(), "namespace=default")
	assert.NotContains(t, log.String(), "planted")

}

// A payload that cannot be opened is returned unchanged: an error would hide the others, and the temporal
// command would show nothing of a list or a history that has one.
func TestHandler_returnsWhatItCannotOpen(t *testing.T) {
	url, keys, log := startCodec(t)
	remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: url})
	plain, err := converter.GetDefaultDataConverter().ToPayloads("planted", "planted", "planted")
	require.NoError(t, err)
	sealed, err := keys.Encode(plain.Payloads)
	require.NoError(t, err)
	sealed[0].Metadata["encryption-key-id"] = []byte("lost")
	sealed[1].Data[0] ^= 1
	opened, err := remote.Decode(sealed)
	require.NoError(t, err)
	assert.True(t, proto.Equal(sealed[0], opened[0]))
	assert.True(t, proto.Equal(sealed[1], opened[1]))
	assert.Equal(t, `"planted"`, string(opened[2].Data))
	assert.Contains(t, log.String(), "could not be opened")
	assert.Contains(t, log.String(), "payloads=1")
	assert.Contains(t, log.String(), `sealed with key \"lost\"`)
	assert.Contains(t, log.String(), "the sealed payload is damaged")
	assert.NotContains(t, log.String(), "planted")
}

func TestHandler_answersItsOriginsOnly(t *testing.T) {
	url, _, log := startCodec(t)
	request := func(method string, origins ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+"/decode", strings.NewReader(`{"payloads":[]}`))
		require.NoError(t, err)
		r.Header["Origin"] = origins
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-namespace")
		}
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, "Origin", response.Header.Get("Vary"))
		return response
	}
	for _, origin := range []string{"http://localhost:8080", uiOrigin} {
		for method, want := range map[string]int{http.MethodPost: http.StatusOK, http.MethodOptions: http.StatusNoContent} {
			answer := request(method, origin)
			assert.Equal(t, want, answer.StatusCode)
			assert.Equal(t, origin, answer.Header.Get("Access-Control-Allow-Origin"))
			assert.Equal(t, "true", answer.Header.Get("Access-Control-Allow-Credentials"))
			if method == http.MethodOptions {
				for _, header := range []string{"Authorization", "Content-Type", "X-Namespace"} {
					assert.Contains(t, answer.Header.Get("Access-Control-Allow-Headers"), header)
				}
			}
		}
	}
	log.Reset()
	for _, origin := range []string{"null", "", "*", "https://evil.example.com", "http://temporal.example.com", uiOrigin + ".evil.com", uiOrigin + ":443", "https://TEMPORAL.example.com", uiOrigin + "/", "https://evil-temporal.example.com"} {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			answer := request(method, origin)
			assert.Equal(t, http.StatusForbidden, answer.StatusCode, "%q", origin)
			assert.Empty(t, answer.Header.Get("Access-Control-Allow-Origin"), "%q", origin)
		}
	}
	assert.Equal(t, http.StatusForbidden, request(http.MethodPost, uiOrigin, uiOrigin).StatusCode)
	assert.Empty(t, log.String(), "nothing was opened for them")
	assert.Equal(t, http.StatusOK, request(http.MethodPost).StatusCode, "a request of no page has no origin")
	assert.Equal(t, http.StatusNotFound, request(http.MethodGet, uiOrigin).StatusCode)

	response, err := http.Post(url+"/decode", "application/json", strings.NewReader(strings.Repeat(" ", maxRequest+1)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	response, err = http.Get(url + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
}

func TestOptions_problems(t *testing.T) {
	t.Chdir(t.TempDir())
	got := clitest.Invoke(t, clitest.Only(New), "codec-server", "--listen", ":8081", "--origin", "https://ui.example.com/", "--origin", "*", "--tls-cert", "c.pem")
	assert.Equal(t, cli.ExitUsage, got.Code)
	for _, want := range []string{`"https://ui.example.com/" is not an origin`, `"*" is not an origin`, "--listen is beyond the loopback", "--tls-cert and --tls-key go together", "no encryption.keys"} {
		assert.Contains(t, got.Stderr, want)
	}
	assert.Contains(t, clitest.Invoke(t, clitest.Only(New), "codec-server").Stderr, "--origin is missing")
	for _, address := range []string{"127.0.0.1:1", "localhost:1", "[::1]:1"} {
		assert.Empty(t, options{listen: address, origins: []string{uiOrigin}}.problems(), address)
	}
	for _, address := range []string{":1", "0.0.0.0:1", "10.0.0.1:1", "ui.example.com:1", "[::]:1"} {
		assert.Len(t, options{listen: address, origins: []string{uiOrigin}}.problems(), 1, address)
		assert.Empty(t, options{listen: address, origins: []string{uiOrigin}, behindProxy: true}.problems(), address)
	}
}
