// Package login logs the starter in at the provider of a console, and sends commands through that console, so that the
// terminal has the same names and rights as the page.
package login

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// callTimeout is for one call. A command may take as long as its effect.
	callTimeout = time.Minute
	// maxAnswer is in bytes.
	maxAnswer = 1 << 20
)

var (
	// ErrLoggedOut is the error of a call for which nobody is logged in at the console.
	ErrLoggedOut = errors.New("you are not logged in at the console")
	// ErrNotConfirmed is the error of a command that was sent, and whose effect is not known yet.
	ErrNotConfirmed = errors.New("the workflow has not confirmed it yet")
)

// Console is a console, and who is logged in there.
type Console struct {
	// URL is its address: https, or http on the loopback.
	URL string
	// File keeps the logins.
	File string

	client *http.Client
}

// New is the console at an address, with the logins of the user's own file.
func New(address, file string) (*Console, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !httpx.IsLoopback(u.Hostname())) {
		return nil, fmt.Errorf("%q is not the address of a console: https://..., or http:// on this machine", address)
	}
	client := &http.Client{
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Console{URL: strings.TrimRight(address, "/"), File: file, client: client}, nil
}

// Provider is how programs log in at a console, as the console says.
type Provider struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
}

// Person is who is logged in, as the console says.
type Person struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// Login logs in with the device flow of OAuth 2.0 (RFC 8628): show gets the address to open, and the code to type there.
func (c *Console) Login(ctx context.Context, show func(address, code string)) (Person, error) {
	var p Provider
	if err := c.call(ctx, http.MethodGet, "/api/login", "", nil, &p); err != nil {
		return Person{}, fmt.Errorf("how to log in at %s is not known: %w", c.URL, err)
	}
	conf, err := p.config(ctx)
	if err != nil {
		return Person{}, err
	}
	device, err := conf.DeviceAuth(ctx)
	if err != nil {
		return Person{}, fmt.Errorf("the provider %s does not let a device log in: %w", p.Issuer, err)
	}
	show(cmp.Or(device.VerificationURIComplete, device.VerificationURI), device.UserCode)
	token, err := conf.DeviceAccessToken(ctx, device)
	if err != nil {
		return Person{}, fmt.Errorf("not logged in: %w", err)
	}
	k, err := newKept(p, token)
	if err != nil {
		return Person{}, err
	}
	var who Person
	if err := c.call(ctx, http.MethodGet, "/api/me", k.IDToken, nil, &who); err != nil {
		return Person{}, fmt.Errorf("the console does not accept the login: %w", err)
	}
	return who, c.keep(k)
}

// provider asks the provider for its addresses. One whose answers somebody on the way could change, such as where to type
// a password, is refused.
func (p Provider) provider(ctx context.Context) (*oidc.Provider, error) {
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Host == "" || !httpx.IsSafe(u) {
		return nil, fmt.Errorf("its address %q is neither https://... nor http:// on this machine; "+
			"whoever runs the console sets it with console.login.oidc.issuer", p.Issuer)
	}
	return oidc.NewProvider(ctx, p.Issuer)
}

func (p Provider) config(ctx context.Context) (*oauth2.Config, error) {
	provider, err := p.provider(ctx)
	if err != nil {
		return nil, fmt.Errorf("the provider of the console: %w", err)
	}
	return &oauth2.Config{ClientID: p.ClientID, Endpoint: provider.Endpoint(), Scopes: p.Scopes}, nil
}

// command and answer are those of the console's endpoint.
type command struct {
	WorkflowID string            `json:"workflow_id"`
	Command    string            `json:"command"`
	Input      workflows.Command `json:"input"`
}

type answer struct {
	Message string `json:"message"`
	Error   string `json:"error"`
}

// Refused is the error of a command that the console, or the workflow, did not take.
type Refused struct{ Why string }

func (r *Refused) Error() string { return r.Why }

// Send sends a command through the console, which signs it, and returns what came of it.
func (c *Console) Send(ctx context.Context, id, name string, in workflows.Command) (string, error) {
	token, err := c.token(ctx)
	if err != nil {
		return "", err
	}
	in.By = "the console says" // it replaces the name
	var a answer
	err = c.call(ctx, http.MethodPost, "/api/commands", token, command{id, name, in}, &a)
	return a.Message, err
}

// SignedStart is the start of a close in the name of who is logged in. Without a key the console gives no proof.
type SignedStart struct {
	By    string `json:"by"`
	Proof string `json:"proof,omitempty"`
}

// Sign has the console sign the start of a close.
func (c *Console) Sign(ctx context.Context, in workflows.NightlyCloseInput) (workflows.NightlyCloseInput, error) {
	token, err := c.token(ctx)
	if err != nil {
		return in, err
	}
	var s SignedStart
	err = c.call(ctx, http.MethodPost, "/api/starts", token, in, &s)
	in.StartedBy, in.Proof = s.By, s.Proof
	return in, err
}

// call makes a call of the console. An answer that says why it was refused is a Refused.
func (c *Console) call(ctx context.Context, method, path, token string, in, into any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	var refused answer
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("%s is not the address of a console: it answered something else", c.URL)
		}
		return nil
	case code == http.StatusAccepted:
		return ErrNotConfirmed
	case code == http.StatusUnauthorized || code == http.StatusSeeOther:
		return ErrLoggedOut
	case json.Unmarshal(text, &refused) == nil && refused.Error != "" && code != http.StatusBadGateway:
		return &Refused{refused.Error}
	default:
		return fmt.Errorf("the console answered %s: %s", response.Status, cmp.Or(refused.Error, "it says no more"))
	}
}
