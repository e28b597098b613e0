package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	cloudName = "namespace.account.tmprl.cloud.example" // in the certificate; the address is another
	apiKey    = "not-a-real-api-key"
)

// cloud is a Temporal frontend like that of Temporal Cloud: behind TLS with an authority of its own.
type cloud struct {
	address string
	ca      string // files
	cert    string
	key     string
	keys    atomic.Int64 // calls with the API key
	certs   atomic.Int64 // calls with a client certificate
}

// newCloud puts a TLS proxy in front of a server, which accepts a client certificate or an API key.
func newCloud(t *testing.T, e *harness.Env, auth tls.ClientAuthType) *cloud {
	t.Helper()
	c := &cloud{}
	ca, authority := issue(t, nil, nil)
	serverKey, server := issue(t, ca, authority)
	clientKey, client := issue(t, ca, authority)
	dir := harness.Folder(t, "tls")
	c.ca, c.cert, c.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	private, err := x509.MarshalPKCS8PrivateKey(clientKey)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		c.ca: {Type: "CERTIFICATE", Bytes: authority.Raw}, c.cert: {Type: "CERTIFICATE", Bytes: client.Raw}, c.key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}

	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.Server.Address})
	plain := &http.Transport{Protocols: new(http.Protocols)}
	plain.Protocols.SetUnencryptedHTTP2(true) // as gRPC uses it
	proxy.Transport, proxy.FlushInterval = plain, -1
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+apiKey {
			c.keys.Add(1)
			r.Header.Del("Authorization")
		} else if len(r.TLS.PeerCertificates) > 0 {
			c.certs.Add(1)
		} else {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "16") // unauthenticated
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	front.EnableHTTP2 = true
	front.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}}, ClientCAs: pool, ClientAuth: auth, NextProtos: []string{"h2"},
	}
	front.StartTLS()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	c.address = front.Listener.Addr().String()
	return c
}

// issue creates a key and its certificate, signed by an authority; without one, the certificate is an authority's.
func issue(t *testing.T, signer *ecdsa.PrivateKey, by *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cloudName}, DNSNames: []string{cloudName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		signer, by = key, template
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return key, certificate
}

// Connects to a frontend that requires a client certificate, configured by the variables of docs/operations.md and by a
// profile.
func TestTemporal_behindTLS(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{NoWorker: true})
	c := newCloud(t, e, tls.RequireAndVerifyClientCert)
	address := "TEMPORAL_ADDRESS=" + c.address
	ca := []string{address, "TEMPORAL_TLS=true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + c.ca, "TEMPORAL_TLS_SERVER_NAME=" + cloudName}
	mine := append(ca, "TEMPORAL_TLS_CLIENT_CERT_PATH="+c.cert, "TEMPORAL_TLS_CLIENT_KEY_PATH="+c.key)

	e.StartWorker(mine...)
	result := e.RunEnv(mine, "batch", "run", "-c", e.Connection, "--code", harness.QuickBatch, "--as-of", harness.AsOf)
	require.Zero(t, result.Code, result)
	require.Positive(t, c.certs.Load())

	profile := filepath.Join(harness.Folder(t, "profile"), "temporal.toml")
	require.NoError(t, os.WriteFile(profile, []byte(`[profile.cloud]
address = "overridden.example:7233"
namespace = "`+e.Server.Namespace+`"
[profile.cloud.tls]
server_name = "`+cloudName+`"
server_ca_cert_path = "`+c.ca+`"
client_cert_path = "`+c.cert+`"
client_key_path = "`+c.key+`"
`), 0o600))
	result = e.RunEnv([]string{address, "TEMPORAL_CONFIG_FILE=" + profile, "TEMPORAL_PROFILE=cloud"}, "status", workflows.BatchWorkflowID(e.Connection, harness.QuickBatch, harness.AsOf, ""))
	require.Zero(t, result.Code, result)

	for what, env := range map[string][]string{
		"without a client certificate": ca,
		"without the authority":        {address, "TEMPORAL_TLS=true", "TEMPORAL_TLS_SERVER_NAME=" + cloudName, mine[4], mine[5]},
		"without the name":             {address, ca[1], ca[2], mine[4], mine[5]},
		"without TLS":                  {address},
	} {
		code, output := exit(t, e.LaunchWorker(env...))
		require.Equal(t, 5, code, "%s: %s", what, output)
		require.Contains(t, output, net.JoinHostPort("127.0.0.1", c.address[len("127.0.0.1:"):]), what)
		require.Contains(t, output, "TLS", what)
	}
}

// The API key is sent as a bearer token, over TLS only, and is never logged.
func TestTemporal_withAPIKey(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{NoWorker: true})
	c := newCloud(t, e, tls.NoClientCert)
	env := []string{"TEMPORAL_ADDRESS=" + c.address, "TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + c.ca, "TEMPORAL_TLS_SERVER_NAME=" + cloudName}
	withKey := append(env, "TEMPORAL_API_KEY="+apiKey)
	w := e.StartWorker(withKey...)
	result := e.RunEnv(withKey, "batch", "run", "-c", e.Connection, "--code", harness.QuickBatch, "--as-of", harness.AsOf)
	require.Zero(t, result.Code, result)
	require.Positive(t, c.keys.Load())
	log, err := os.ReadFile(w.Stderr)
	require.NoError(t, err)
	require.NotContains(t, string(log), apiKey)

	code, output := exit(t, e.LaunchWorker(append(env, "TEMPORAL_API_KEY=another")...))
	require.Equal(t, 5, code, output)
	require.NotContains(t, output, "another")
}
