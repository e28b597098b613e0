package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/version"
)

// checkHTTP wants https, except on this machine.
func checkHTTP(u *url.URL) error {
	plain := u.Scheme == "http" && httpx.IsLoopback(u.Hostname())
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && !plain:
		return errors.New("must be an https URL; http is for this machine only")
	case u.Fragment != "":
		return errors.New("must not have a fragment")
	}
	return nil
}

// httpSender sends messages as JSON.
type httpSender struct {
	url    string
	client *http.Client
	body   func(Message) any
	signer *standardwebhooks.Webhook // nil: messages are not signed
}

// openHTTP makes a sender that uses a new connection for each message: on a new connection the transport
// never sends a request a second time.
func openHTTP(body func(Message) any) func(Channel) (sender, error) {
	return func(c Channel) (sender, error) {
		config, err := httpx.TLSConfig(c.CAFile, false)
		if err != nil {
			return nil, err
		}
		signer, err := c.signer()
		if err != nil {
			return nil, err
		}
		client := &http.Client{
			Transport: &http.Transport{
				Proxy:             http.ProxyFromEnvironment,
				TLSClientConfig:   config,
				DisableKeepAlives: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		return &httpSender{url: c.URL, body: body, signer: signer, client: client}, nil
	}
}

func (s *httpSender) send(ctx context.Context, m Message, to []string, try Try) {
	for _, receiver := range to {
		try(receiver, func() error { return s.post(ctx, m) })
	}
}

func (s *httpSender) post(ctx context.Context, m Message) error {
	ctx, connected := httpx.TraceConnection(ctx)
	request, err := s.request(ctx, m)
	if err != nil {
		return &Error{NotDelivered: true, Text: err.Error()}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return &Error{NotDelivered: !connected(), Temporary: true, Text: withoutURL(err)}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if response.StatusCode/100 == 2 {
		return nil
	}
	status := response.StatusCode
	return &Error{
		NotDelivered: true,
		Temporary:    httpx.Transient(status),
		RetryAfter:   httpx.RetryAfter(response.Header, time.Now(), maxRetryAfter),
		Text:         fmt.Sprintf("the receiver answered %d %s", status, http.StatusText(status)),
	}
}

// maxRetryAfter bounds the wait that a receiver may ask for.
const maxRetryAfter = 10 * time.Minute

// request has the headers by which a webhook's receiver recognises a message that is delivered twice, that
// was recorded and is replayed, or that comes from another sender. The timestamp is the attempt's, because
// receivers refuse old ones.
func (s *httpSender) request(ctx context.Context, m Message) (*http.Request, error) {
	body, err := json.Marshal(s.body(m))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "pbsmflow/"+version.Version)
	request.Header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if s.signer == nil {
		return request, nil
	}
	signature, err := s.signer.Sign(m.ID, now, body)
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return request, err
}

const (
	minSigningKey = 24
	maxSigningKey = 64
)

// signer is nil when the channel has no key.
func (c Channel) signer() (*standardwebhooks.Webhook, error) {
	if c.SigningKey == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.SigningKey, "whsec_"))
	if err != nil || len(key) < minSigningKey || len(key) > maxSigningKey {
		return nil, fmt.Errorf("must be %d to %d bytes in base64, such as `openssl rand -base64 32` prints",
			minSigningKey, maxSigningKey)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// withoutURL is the cause of an error of net/http, which puts the URL in front of it.
func withoutURL(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no response within %s", sendTimeout)
	case errors.Is(err, io.EOF):
		return "the connection was closed without a response"
	}
	return err.Error()
}

// webhookBody is the message, with its title and text for receivers that only display it.
func webhookBody(m Message) any {
	return struct {
		Message
		Title string `json:"title"`
		Text  string `json:"text"`
	}{m, m.Title(), m.Text()}
}

// slackText escapes what Slack would turn into a link or a mention.
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

// teamsBody is an adaptive card for a Teams workflow whose trigger is "When a Teams webhook request is
// received".
func teamsBody(m Message) any {
	block := func(text string, more map[string]any) map[string]any {
		b := map[string]any{"type": "TextBlock", "text": text, "wrap": true}
		maps.Copy(b, more)
		return b
	}
	body := []any{block(m.Title(), map[string]any{"weight": "Bolder", "size": "Medium"})}
	for _, line := range m.facts() {
		body = append(body, block(line, nil))
	}
	for _, command := range m.Commands {
		body = append(body, block(command, map[string]any{"fontType": "Monospace", "size": "Small"}))
	}
	card := map[string]any{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
		"type":    "AdaptiveCard",
		"version": "1.4",
		"body":    body,
	}
	if m.Link != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": "Open in Temporal", "url": m.Link}}
	}
	return map[string]any{"type": "message", "attachments": []any{
		map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
	}}
}
