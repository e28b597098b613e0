package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pbsmflow/pbsmflow/internal/version"
)

// checkHTTP wants https; without encryption only what does not leave the machine.
func checkHTTP(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && !(u.Scheme == "http" && local):
		return errors.New("must be an https URL; http is for this machine only")
	case u.Fragment != "":
		return errors.New("has a fragment, which nobody would be sent")
	}
	return nil
}

// poster posts messages as JSON.
type poster struct {
	url    string
	client *http.Client
	body   func(Message) any
	signer *standardwebhooks.Webhook // nil where nothing is signed
}

// open makes a poster on fresh connections: on those the transport never sends a request a
// second time by itself.
func open(body func(Message) any) func(Channel) (sender, error) {
	return func(c Channel) (sender, error) {
		config, err := c.tls()
		if err != nil {
			return nil, err
		}
		signer, err := c.signer()
		if err != nil {
			return nil, err
		}
		return &poster{url: c.URL, body: body, signer: signer, client: &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}, nil
	}
}

func (p *poster) send(ctx context.Context, m Message) error {
	text, err := json.Marshal(p.body(m))
	if err != nil {
		return &Error{NotTaken: true, Text: err.Error()}
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(text))
	if err != nil {
		return &Error{NotTaken: true, Text: "the URL cannot be used"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "pbsmflow/"+version.Version)
	if err := p.identify(request.Header, m.ID, text); err != nil {
		return &Error{NotTaken: true, Text: err.Error()}
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return &Error{NotTaken: !connected.Load(), Temporary: true, Text: withoutURL(err)}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode/100 == 2 {
		return nil
	}
	return &Error{
		NotTaken: true, Temporary: temporary(answer.StatusCode), RetryAfter: retryAfter(answer.Header.Get("Retry-After")),
		Text: fmt.Sprintf("it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode)),
	}
}

// identify sets the headers by which a receiver tells a repeated message, one that was recorded and is
// played back, and one that somebody else sent. The time is the attempt's: receivers refuse an old one.
func (p *poster) identify(header http.Header, id string, body []byte) error {
	now := time.Now()
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if p.signer == nil {
		return nil
	}
	signature, err := p.signer.Sign(id, now, body)
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return err
}

// signer is nil where the channel has no key.
func (c Channel) signer() (*standardwebhooks.Webhook, error) {
	if c.SigningKey == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.SigningKey, "whsec_"))
	if err != nil || len(key) < minSigningKey || len(key) > maxSigningKey {
		return nil, fmt.Errorf("is not %d to %d bytes as base64, such as `openssl rand -base64 32` prints", minSigningKey, maxSigningKey)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

const (
	minSigningKey = 24
	maxSigningKey = 64
)

// temporary: what is wrong with the receiver passes; what is wrong with the URL does not.
func temporary(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status == http.StatusTooEarly
}

// maxRetryAfter bounds what a receiver asks for.
const maxRetryAfter = 10 * time.Minute

func retryAfter(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, int(maxRetryAfter/time.Second)))*time.Second, maxRetryAfter)
}

// withoutURL is the cause of an error of net/http, which puts the URL before it.
func withoutURL(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", sendTimeout)
	case errors.Is(err, io.EOF):
		return "the connection was closed without an answer"
	}
	return err.Error()
}

// webhookBody is the message itself, and its title and text for who only wants to show it.
func webhookBody(m Message) any {
	return struct {
		Message
		Title string `json:"title"`
		Text  string `json:"text"`
	}{m, m.Title(), m.Text()}
}

// slackText takes from a text what Slack would make a link or a mention of.
// Source: https://docs.slack.dev/messaging/formatting-message-text, "Escaping text".
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackBody(m Message) any {
	lines := []string{"*" + slackText.Replace(m.Title()) + "*", slackText.Replace(strings.Join(m.facts(), "\n"))}
	if len(m.Commands) > 0 {
		lines = append(lines, "```\n"+slackText.Replace(strings.Join(m.Commands, "\n"))+"\n```")
	}
	if m.Link != "" {
		lines = append(lines, m.Link)
	}
	return map[string]any{"text": strings.Join(lines, "\n")}
}

// teamsBody is an adaptive card, as a workflow of Teams takes it that begins with "When a Teams
// webhook request is received".
func teamsBody(m Message) any {
	block := func(text string, more map[string]any) map[string]any {
		b := map[string]any{"type": "TextBlock", "text": text, "wrap": true}
		for key, value := range more {
			b[key] = value
		}
		return b
	}
	body := []any{block(m.Title(), map[string]any{"weight": "Bolder", "size": "Medium"})}
	for _, line := range m.facts() {
		body = append(body, block(line, nil))
	}
	for _, command := range m.Commands {
		body = append(body, block(command, map[string]any{"fontType": "Monospace", "size": "Small"}))
	}
	card := map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body}
	if m.Link != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": "Look at it", "url": m.Link}}
	}
	return map[string]any{"type": "message", "attachments": []any{
		map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
	}}
}
