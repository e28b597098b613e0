package pbsm

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// privateCA signs a certificate for 127.0.0.1 and writes the CA's to a file.
func privateCA(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		require.NoError(t, err)
		return der
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bank CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "pbsm"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER := sign(ca, ca, caKey, caKey)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600))
	return tls.Certificate{Certificate: [][]byte{sign(leaf, ca, key, caKey)}, PrivateKey: key}, file
}

type received struct {
	method, uri, body, proto string
	header                   http.Header
}

// service is an HTTPS server that issues tokens and answers calls with a handler.
type service struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex
	calls    []received
	logins   []url.Values
	answer   http.HandlerFunc
	token    http.HandlerFunc
	newConns int
}

const (
	testSecret   = "client-s3cret/x"
	testPassword = "Password@12345"
)

func newService(t testing.TB) *service {
	t.Helper()
	cert, file := privateCA(t)
	s := &service{caFile: file}
	s.token = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-%d"}`, s.count("logins"), s.count("logins"))
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.newConns++
			s.mu.Unlock()
		}
	}
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	handler := s.answer
	if r.URL.Path == "/oauth2/v1/token" {
		form, _ := url.ParseQuery(string(body))
		id, secret, _ := r.BasicAuth()
		form.Set("basic", id+":"+secret)
		s.logins = append(s.logins, form)
		handler = s.token
	} else {
		s.calls = append(s.calls, received{r.Method, r.RequestURI, string(body), r.Proto, r.Header.Clone()})
	}
	s.mu.Unlock()
	handler(w, r)
}

func (s *service) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch what {
	case "logins":
		return len(s.logins)
	case "conns":
		return s.newConns
	}
	return len(s.calls)
}

func (s *service) config() Config {
	return Config{
		BaseURL: s.URL + "/aaitestdev1001-prd", TokenURL: s.URL + "/oauth2/v1/token",
		TenantID: "aaitestdev1001-prd", ServiceID: "PBSM", RemoteUser: "cneadmin", AppID: "PBSMCS",
		ClientID: "aaitestdev1001-prd_APPID", ClientSecret: testSecret, Username: "cneadmin", Password: testPassword,
		CAFile: s.caFile, Timeout: 5 * time.Second, WorkspaceID: "WS001", Locale: "en-US", MaxFileSize: 10_000_000_000_000 - 1,
		DynamicParams: DynamicParamsJSON, StatusTasks: TaskListsArray, TokenScope: "urn:opc:idm:__myscopes__ offline_access", DeleteMethod: "POST", ExportStatusPath: "/public/status", ImportStatusPath: "/public/status", ReportStatusBody: ReportStatusBodyNone, ReportDefType: "V",
	}
}

func (s *service) client(t testing.TB, change ...func(*Config)) *Client {
	t.Helper()
	cfg := s.config()
	for _, c := range change {
		c(&cfg)
	}
	client, err := New(cfg)
	require.NoError(t, err)
	return client
}

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangUp closes the connection after the request was read.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func asError(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

// trigger is the call that most transport tests use, because it must never be repeated.
func trigger(ctx context.Context, c *Client) (any, error) {
	return c.Trigger(ctx, TriggerRequest{Code: "B2001", Type: Batch, Params: map[string]string{"$FICMISDATE$": "2026-10-31"}})
}

func list(ctx context.Context, c *Client) (any, error) { return c.ListFiles(ctx, "") }

func TestDo_transport(t *testing.T) {
	cert, _ := privateCA(t)
	elsewhere := httptest.NewUnstartedServer(reply(200, `{"payload":[]}`))
	elsewhere.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	elsewhere.StartTLS()
	defer elsewhere.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	_, foreignCA := privateCA(t)
	release := make(chan struct{})
	defer close(release)
	never := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}

	for name, tt := range map[string]struct {
		answer                  http.HandlerFunc
		change                  func(*Config)
		call                    func(context.Context, *Client) (any, error)
		notProcessed, temporary bool
		calls                   int
	}{
		"connection refused":                       {change: func(c *Config) { c.BaseURL = strings.Replace(closed.URL, "http:", "https:", 1) }, call: trigger, notProcessed: true, temporary: true},
		"TLS handshake hangs":                      {change: func(c *Config) { c.BaseURL, c.Timeout = "https://"+silent.Addr().String(), 150*time.Millisecond }, call: trigger, notProcessed: true, temporary: true},
		"closed after the request was read":        {answer: hangUp, call: trigger, temporary: true, calls: 1},
		"no response in time":                      {answer: never, change: func(c *Config) { c.Timeout = 150 * time.Millisecond }, call: trigger, temporary: true, calls: 1},
		"response cut off":                         {answer: reply(200, `{"statusCode":"0","batchRunId":"B2001_1"}`, "Content-Length", "500"), call: trigger, temporary: true, calls: 1},
		"response cut off, refused by HTTP status": {answer: reply(403, `{"status":`, "Content-Length", "500"), call: trigger, notProcessed: true, calls: 1},
		"response too large":                       {answer: reply(200, `{"x":"`+strings.Repeat("x", maxBody)+`"}`), call: trigger, temporary: true, calls: 1},
		"status read, closed after request":        {answer: hangUp, call: func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx, "R1") }, temporary: true, calls: 1},
		"redirect of a POST is not followed":       {answer: reply(302, ``, "Location", "/elsewhere"), call: trigger, temporary: true, calls: 1},
		"permanent redirect of a POST is final":    {answer: reply(308, ``, "Location", "/elsewhere"), call: trigger, calls: 1},
		"GET is not redirected to another host":    {answer: reply(302, ``, "Location", elsewhere.URL), change: func(c *Config) { c.Insecure = true }, call: list, temporary: true, calls: 1},
		"GET is not redirected to plain http":      {answer: func(w http.ResponseWriter, r *http.Request) { reply(302, ``, "Location", "http://"+r.Host+"/x")(w, r) }, call: list, temporary: true, calls: 1},
		"GET is not redirected forever":            {answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, call: list, temporary: true, calls: maxRedirects + 1},
		"certificate of an authority not trusted":  {change: func(c *Config) { c.CAFile = foreignCA }, call: trigger, notProcessed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = tt.answer
			c := s.client(t, func(c *Config) {
				if tt.change != nil {
					tt.change(c)
				}
			})
			c.tokens.keep(token("t", "", time.Hour)) // the subject is the call, not the login
			_, err := tt.call(t.Context(), c)
			e := asError(t, err)
			require.Equal(t, tt.notProcessed, e.NotProcessed, "NotProcessed of %v", err)
			require.Equal(t, tt.temporary, e.Temporary, "Temporary of %v", err)
			require.Equal(t, tt.calls, s.count("calls"))
		})
	}
}

// If a server closes an idle connection just as a request arrives, Go's transport sends the request again.
func TestTrigger_isSentOnceDespiteIdleConnections(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"payload":[]}`)
	c := s.client(t)
	_, err := c.ListFiles(t.Context(), "")
	require.NoError(t, err)
	s.answer = hangUp
	for i := range 20 {
		_, err = trigger(t.Context(), c)
		require.False(t, asError(t, err).NotProcessed)
		require.Equal(t, 2+i, s.count("calls"), "one more request for each trigger")
		require.Equal(t, "HTTP/1.1", s.calls[1+i].proto)
	}
}

func TestTrigger_usesFreshConnections(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"statusCode":"0","batchRunId":"R1","batchStatusCode":"2","payload":[]}`)
	c := s.client(t)
	_, err := c.ListFiles(t.Context(), "")
	require.NoError(t, err)
	before := s.count("conns")
	for range 3 {
		_, err = c.Status(t.Context(), "R1")
		require.NoError(t, err)
	}
	require.Equal(t, before, s.count("conns"))
	for range 3 {
		_, err = trigger(t.Context(), c)
		require.NoError(t, err)
	}
	require.Equal(t, before+3, s.count("conns"))
	require.Equal(t, "HTTP/2.0", s.calls[0].proto)
}

func TestDo_followsRedirectOfGETWithinHost(t *testing.T) {
	s := newService(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/moved" {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
			return
		}
		reply(200, `{"payload":[]}`)(w, r)
	}
	_, err := list(t.Context(), s.client(t))
	require.NoError(t, err)
	require.Equal(t, "Bearer token-1", s.calls[1].header.Get("Authorization"))
}

func TestDo_cancelled(t *testing.T) {
	s := newService(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	s.answer = func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("worker stops"))
		<-r.Context().Done()
	}
	_, err := trigger(ctx, s.client(t))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "worker stops")
	require.False(t, asError(t, err).NotProcessed)
}

// net/http's server normalises the spelling of headers, so this one reads bytes.
func TestDo_headerSpelling(t *testing.T) {
	cert, file := privateCA(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	defer func() { _ = ln.Close() }()
	head := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		var lines strings.Builder
		for in := bufio.NewScanner(conn); in.Scan() && in.Text() != ""; {
			lines.WriteString(in.Text() + "\n")
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		head <- lines.String()
	}()
	address := "https://" + ln.Addr().String()
	c := newService(t).client(t, func(c *Config) {
		c.BaseURL, c.TokenURL, c.CAFile = address+"/T/", address, file
		c.TenantID, c.ServiceID, c.RemoteUser, c.AppID = "TEN", "SVC", "usr", "APP"
		c.ExtraHeaders = map[string]string{"X-oracle_Thing": "1", "Cookie": "a=b"}
	})
	c.tokens.keep(token("tok", "", time.Hour))
	_, err = c.GenerateReport(t.Context(), ReportRequest{ReportCode: "RPT", ReportType: "CSV"})
	require.Error(t, err)
	sent := <-head
	for _, line := range []string{
		"POST /T/aai-dmi-service/vw/v1/repgen HTTP/1.1", "ofs_remote_user: usr", "locale: en-US", "ofs_tenant_id: TEN", "ofs_workspace_id: WS001",
		"ofs_service_id: SVC", "reportcode: RPT", "reportType: CSV", "appid: APP", "reportDefType: V",
		"Accept: application/json", "Content-Type: application/json", "Authorization: Bearer tok", "X-oracle_Thing: 1", "Cookie: a=b",
	} {
		require.Contains(t, sent, line+"\n")
	}
}

// Every server sees who calls, also that for the tokens; a gateway may want another name.
func TestClient_userAgent(t *testing.T) {
	for name, tt := range map[string]struct {
		extra map[string]string
		want  string
	}{
		"its own":         {want: "pbsmflow/1"},
		"of extra header": {extra: map[string]string{"user-agent": "gate/2"}, want: "gate/2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			var issuer []string
			issue := s.token
			s.token = func(w http.ResponseWriter, r *http.Request) {
				issuer = append(issuer, r.UserAgent())
				issue(w, r)
			}
			s.answer = reply(200, sampleList)
			_, err := list(t.Context(), s.client(t, func(c *Config) { c.UserAgent, c.ExtraHeaders = "pbsmflow/1", tt.extra }))
			require.NoError(t, err)
			require.Equal(t, []string{"pbsmflow/1"}, issuer)
			require.Equal(t, []string{tt.want}, s.calls[0].header["User-Agent"])
		})
	}
}

func TestNew_refusesURLs(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(notPEM, []byte("hello"), 0o600))
	_, err := New(Config{BaseURL: "http://user:hunter22@host", TokenURL: "https://iam?x=1", CAFile: notPEM})
	for _, problem := range []string{"base URL must start with https://", "token URL must not have a query", "contains no certificate in PEM form"} {
		require.ErrorContains(t, err, problem)
	}
	require.NotContains(t, err.Error(), "hunter22")
}

// A simulator on this machine may do without certificates.
func TestClient_plainHTTPOnTheLoopback(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oauth2/v1/token":
			reply(200, `{"access_token":"t","expires_in":3600}`)(w, r)
		case r.Method == http.MethodPost:
			reply(200, `{"payload":{"uploadURL":"http://`+r.Host+`/p/SECRET","fileId":1}}`)(w, r)
		default:
			reply(200, `{"payload":[]}`)(w, r)
		}
	}))
	defer s.Close()
	c := newService(t).client(t, func(c *Config) { c.BaseURL, c.TokenURL, c.CAFile = s.URL+"/T", s.URL+"/oauth2/v1/token", "" })
	files, err := list(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, files)
	granted, err := upload(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, s.URL+"/[PAR]", granted.(UploadPAR).PAR.String())
}

func TestConfig_insecure(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"payload":[]}`)
	_, err := list(t.Context(), s.client(t, func(c *Config) { c.CAFile = "" }))
	e := asError(t, err)
	require.True(t, e.NotProcessed)
	require.False(t, e.Temporary)
	require.Contains(t, e.Advice, "ca_file")
	_, err = list(t.Context(), s.client(t, func(c *Config) { c.CAFile, c.Insecure = "", true }))
	require.NoError(t, err)
}

// The document says to save the server's own certificate, not its authority's.
func TestConfig_CAFile_serverCertificate(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"payload":[]}`)
	file := filepath.Join(t.TempDir(), "outcert.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.TLS.Certificates[0].Certificate[0]}), 0o600))
	_, err := list(t.Context(), s.client(t, func(c *Config) { c.CAFile = file }))
	require.NoError(t, err)
}

func TestClient_printsNoSecrets(t *testing.T) {
	s := newService(t)
	c := s.client(t)
	_, err := c.Login(t.Context())
	require.NoError(t, err)
	encoded := fmt.Sprintf("%v %+v %#v %s %v %+v", c, c, c, c, s.config(), struct{ C Config }{s.config()})
	for _, secret := range []string{testSecret, testPassword, "token-1", "refresh-1"} {
		require.NotContains(t, encoded, secret)
	}
}

// The service's text may echo what it was sent.
func TestError_containsNoSecrets(t *testing.T) {
	jwt := "eyJ4NXQjUzI1NiI6I1F5azRtb3pI.eyJhbGciOiJSUzI1NiJ9.sQXj0iohsSIEmQ"
	par := "https://objectstorage.us-phoenix-1.oraclecloud.com/p/bdSI-hzigiAoUU0lyEKnuK0YGs05L172gt/n/ns/b/bucket/o/x"
	echo := strings.Join([]string{
		"Authorization: Bearer token-1", jwt, par, testPassword, url.QueryEscape(testPassword), testSecret, "cookie=monster",
		"refresh_token=abcdefgh", "grant_type=password&password=other1", "\x1b[31mred\x00",
	}, " ")
	secrets := []string{"token-1", jwt, "bdSI-hzig", testPassword, url.QueryEscape(testPassword), testSecret, "monster", "abcdefgh", "other1", "\x1b", "\x00"}
	asJSON, err := json.Marshal(map[string]string{"details": echo, "errorMessage": echo, "statusCode": "-4"})
	require.NoError(t, err)
	for name, body := range map[string]string{
		"JSON": string(asJSON), "plain text": echo, "HTML": "<html><title>" + echo + "</title>" + echo,
		"broken JSON": `{"details":"` + echo, "broken JSON with its slashes escaped": `{"details":"` + strings.ReplaceAll(echo, "/", `\/`), "long": strings.Repeat("token-1 ", 10000),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = reply(500, body)
			c := s.client(t, func(c *Config) { c.ExtraHeaders = map[string]string{"X-Cookie": "cookie=monster"} })
			_, err := trigger(t.Context(), c)
			shown := err.Error() + fmt.Sprintf("%#v", asError(t, err))
			for _, secret := range secrets {
				require.NotContains(t, shown, secret)
			}
			require.LessOrEqual(t, len(asError(t, err).Text), maxErrorText)
		})
	}
}

func TestError_text(t *testing.T) {
	e := &Error{
		Call: "trigger", Subject: "B2001", HTTPStatus: 409, Code: "-3", Text: "no such batch", Advice: "check the code", Err: errors.New("because"),
	}
	require.Equal(t, `trigger B2001: HTTP 409 (conflict with the present state): code -3 (Object does not exist): because: "no such batch"; check the code`, e.Error())
	require.Equal(t, "status R1: a; b; correct the request", call{name: "status", subject: "R1"}.invalid(errors.New("a"), nil, errors.New("b")).Error())
}

func TestPathSegment(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a%2fb", "a?b", "a#b", "a;b", "a\nb", " a", strings.Repeat("a", 256)} {
		_, err := pathSegment("code", bad)
		require.Error(t, err, "%q", bad)
	}
	for raw, want := range map[string]string{"9916": "9916", "MIG_01.x-y": "MIG_01.x-y", "a b": "a%20b", "ä": "%C3%A4"} {
		got, err := pathSegment("code", raw)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// A firewall may drop a connection silently.
func TestDo_abandonsDeadConnection(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"payload":[]}`)
	through, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = through.Close() }()
	var made, dead atomic.Int32
	go func() {
		for {
			near, err := through.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				return
			}
			number := made.Add(1)
			pass := func(to, from net.Conn) {
				defer func() { _ = to.Close() }()
				buffer := make([]byte, 32<<10)
				for {
					n, err := from.Read(buffer)
					if number <= dead.Load() && err == nil {
						continue
					}
					if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
						return
					}
				}
			}
			go pass(near, far)
			go pass(far, near)
		}
	}()
	c := s.client(t, func(c *Config) {
		c.BaseURL, c.Timeout = "https://"+through.Addr().String(), 2*time.Second
	})
	_, err = list(t.Context(), c)
	require.NoError(t, err)
	dead.Store(made.Load())
	_, err = list(t.Context(), c)
	require.True(t, asError(t, err).Temporary)
	_, err = list(t.Context(), c)
	require.NoError(t, err)
}
