package simulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Remote controls a simulator in another process through its control endpoint.
type Remote struct {
	url    string
	client *http.Client
}

// NewRemote takes the control_url that the command prints, and the content of its ca_file.
func NewRemote(controlURL string, caPEM []byte) (*Remote, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return nil, fmt.Errorf("simulator: the CA file holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &Remote{url: controlURL, client: &http.Client{Transport: transport}}, nil
}

// Journal returns the entries after the one with the sequence number since.
func (r *Remote) Journal(ctx context.Context, since int) ([]Entry, error) {
	body, err := r.do(ctx, http.MethodGet, "/journal?since="+strconv.Itoa(since), nil)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for dec := json.NewDecoder(bytes.NewReader(body)); dec.More(); {
		var e Entry
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("simulator: journal: %w", err)
		}
		list = append(list, e)
	}
	return list, nil
}

// Inject arms faults.
func (r *Remote) Inject(ctx context.Context, list ...Fault) error {
	return r.change(ctx, http.MethodPost, "/faults", list)
}

// ClearFaults disarms all faults.
func (r *Remote) ClearFaults(ctx context.Context) error {
	return r.change(ctx, http.MethodDelete, "/faults", nil)
}

// Runs returns all runs.
func (r *Remote) Runs(ctx context.Context) (list []Run, err error) {
	return list, r.ask(ctx, "/runs", &list)
}

// Files returns all announced files.
func (r *Remote) Files(ctx context.Context) (list []File, err error) {
	return list, r.ask(ctx, "/files", &list)
}

// Secrets returns what must not appear anywhere else.
func (r *Remote) Secrets(ctx context.Context) (list []string, err error) {
	return list, r.ask(ctx, "/secrets", &list)
}

// Operate does what an operator can do on the service's screens; task is for hold and release.
func (r *Remote) Operate(ctx context.Context, runID, action, task string) error {
	return r.change(ctx, http.MethodPost, "/runs/"+url.PathEscape(runID)+"/"+action+"?task="+url.QueryEscape(task), nil)
}

// SetSpeed changes the number of simulated seconds in a real second.
func (r *Remote) SetSpeed(ctx context.Context, speed float64) error {
	return r.change(ctx, http.MethodPut, "/clock", fields{"speed": speed})
}

// Advance moves simulated time forward at once.
func (r *Remote) Advance(ctx context.Context, d time.Duration) error {
	return r.change(ctx, http.MethodPut, "/clock", fields{"advance": d.String()})
}

// SetQuirks replaces the active quirks.
func (r *Remote) SetQuirks(ctx context.Context, names ...Quirk) error {
	return r.change(ctx, http.MethodPut, "/quirks", append(Quirks{}, names...))
}

// ExpireTokens expires all access tokens, and with logins also all refresh tokens.
func (r *Remote) ExpireTokens(ctx context.Context, logins bool) error {
	return r.change(ctx, http.MethodDelete, "/tokens?logins="+strconv.FormatBool(logins), nil)
}

// ExpirePARs expires all PARs.
func (r *Remote) ExpirePARs(ctx context.Context) error {
	return r.change(ctx, http.MethodDelete, "/pars", nil)
}

func (r *Remote) ask(ctx context.Context, path string, into any) error {
	body, err := r.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("simulator: %s: %w", path, err)
	}
	return nil
}

func (r *Remote) change(ctx context.Context, method, path string, body any) error {
	_, err := r.do(ctx, method, path, body)
	return err
}

func (r *Remote) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("simulator: %s %s: %w", method, path, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("simulator: %s %s: %w", method, path, err)
	}
	req.Header.Set(ControlHeader, "1")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("simulator: %s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("simulator: %s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}
