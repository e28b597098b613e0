package simulator

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// harness talks to a simulator as the document's curl lines do, and owns its real clock.
type harness struct {
	*Simulator
	t      *testing.T
	client *http.Client
	token  string
	mu     sync.Mutex
	now    time.Time
}

func start(t *testing.T, change ...func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, now: time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)}
	opts := Options{Now: func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}}
	for _, c := range change {
		c(&opts)
	}
	s, err := Start(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	h.Simulator = s
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(s.CAPEM()))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	h.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	h.token, _ = h.login(nil).json["access_token"].(string)
	return h
}

func quirks(names ...Quirk) func(*Options) { return func(o *Options) { o.Quirks = names } }

// tick lets real time pass.
func (h *harness) tick(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
	err    error
}

func (a answer) text(path ...string) string {
	var at any = a.json
	for _, p := range path {
		m, _ := at.(map[string]any)
		at = m[p]
	}
	text, _ := at.(string)
	return text
}

func (h *harness) send(method, url, body string, header http.Header) answer {
	h.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(h.t, err)
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	_ = json.NewDecoder(bytes.NewReader(a.body)).Decode(&a.json)
	return a
}

// headers are those of a service call, the scheduler's and the reports' included.
func (h *harness) headers() http.Header {
	o := h.Options()
	return http.Header{
		"Authorization": {"Bearer " + h.token}, "Accept": {"application/json"}, "Content-Type": {"application/json"},
		"ofs_remote_user": {o.RemoteUser}, "locale": {"en-US"}, "ofs_tenant_id": {o.Tenant},
		"ofs_workspace_id": {o.WorkspaceID}, "ofs_service_id": {o.ServiceID},
	}
}

func (h *harness) call(method, path, body string, extra ...string) answer {
	h.t.Helper()
	header := h.headers()
	for i := 0; i+1 < len(extra); i += 2 {
		header[extra[i]] = []string{extra[i+1]}
	}
	return h.send(method, h.BaseURL()+path, body, header)
}

// login posts a password grant; change may spoil it.
func (h *harness) login(change func(form url.Values, header http.Header)) answer {
	h.t.Helper()
	o := h.Options()
	form := url.Values{
		"grant_type": {"password"}, "scope": {"urn:opc:idm:__myscopes__ offline_access"},
		"username": {o.Username}, "password": {o.Password},
	}
	req, _ := http.NewRequest("POST", "/", nil)
	req.SetBasicAuth(o.ClientID, o.ClientSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	if change != nil {
		change(form, req.Header)
	}
	return h.send("POST", h.TokenURL(), form.Encode(), req.Header)
}

func (h *harness) scheduler(action, body string) answer {
	h.t.Helper()
	return h.call("POST", "/SchedulerService/rest-api/v1/external/"+action, body)
}

// trigger starts a batch and returns its run id.
func (h *harness) trigger(code string) string {
	h.t.Helper()
	a := h.scheduler("trigger", `{"batchName":"`+code+`","batchType":"rest","dynamicParamList":{"batchParams":{"$FICMISDATE$":"2026-10-31"}}}`)
	require.Equal(h.t, 200, a.status, string(a.body))
	return a.text("batchRunId")
}

func (h *harness) triggerGroup(code string) string {
	h.t.Helper()
	a := h.scheduler("trigger", `{"batchName":"`+code+`","batchType":"group"}`)
	require.Equal(h.t, 200, a.status, string(a.body))
	return a.text("batchRunId")
}

func (h *harness) status(id string) answer {
	h.t.Helper()
	return h.scheduler("status", `{"batchRunId":"`+id+`"}`)
}

// codes are the run's code and its tasks' or children's, as the status call answers them.
func (h *harness) codes(id string) string {
	h.t.Helper()
	a := h.status(id)
	out := a.text("batchStatusCode") + ":"
	for _, key := range []string{"taskStatusList", "batchList"} {
		list, _ := a.json[key].([]any)
		for _, one := range list {
			m := one.(map[string]any)
			code, ok := m["statusCode"].(string)
			if !ok {
				code = m["batchStatusCode"].(string)
			}
			out += " " + code
		}
	}
	return out
}

func (h *harness) about(action, code, id string) answer {
	h.t.Helper()
	return h.scheduler(action, `{"batchName":"`+code+`","batchRunId":"`+id+`"}`)
}

// announce asks for an upload PAR.
func (h *harness) announce(name string, size int) answer {
	h.t.Helper()
	body, _ := json.Marshal(map[string]any{"fileName": name, "fileSize": size, "mimeType": "text/csv"})
	return h.call("POST", "/utils-service/v1/file/uploadfile/parURL?prefix=", string(body))
}

// upload announces a file, puts its bytes and returns its id.
func (h *harness) upload(name, body string) int64 {
	h.t.Helper()
	a := h.announce(name, len(body))
	require.Equal(h.t, 200, a.status, string(a.body))
	put := h.send("PUT", a.text("payload", "uploadURL"), body, nil)
	require.Equal(h.t, 200, put.status, string(put.body))
	return int64(a.json["payload"].(map[string]any)["fileId"].(float64))
}

func (h *harness) last() Entry {
	h.t.Helper()
	j := h.Journal()
	return j[len(j)-1]
}
