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
	request.Header.Set("User-Agent", version.UserAgent())
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

// What messages quote, such as the name of a file, must not be taken for markup: a link could lead an operator
// anywhere.
var (
	// slackEscape escapes what Slack would turn into a link or a mention, also in a code block.
	// Source: https://docs.slack.dev/messaging/formatting-message-text, "Escaping text".
	slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	// slackInline also separates, by a space without width, what Mattermost and Rocket.Chat take for Markdown.
	slackInline = strings.NewReplacer("]", "]\u200b", "@", "@\u200b", "*", "*\u200b", "~", "~\u200b", "`", "'")
)

// slackBody has everything but its title in a code block, where nothing is markup and what is copied is exact.
func slackBody(m Message) any {
	lines := m.facts()
	if len(m.Commands) > 0 {
		lines = append(append(lines, ""), m.Commands...)
	}
	code := slackEscape.Replace(strings.ReplaceAll(strings.Join(lines, "\n"), "`", "'"))
	text := "*" + slackInline.Replace(slackEscape.Replace(m.Title())) + "*\n```\n" + code + "\n```"
	if m.Link != "" {
		text += "\n" + m.Link
	}
	return map[string]any{"text": text}
}

// teamsBody is an adaptive card for a Teams workflow whose trigger is "When a Teams webhook request is
// received". A text run is not taken for Markdown, unlike a text block.
// Source: https://adaptivecards.io/explorer/TextRun.html.
func teamsBody(m Message) any {
	var body []any
	add := func(text string, more map[string]any) {
		run := map[string]any{"type": "TextRun", "text": text}
		maps.Copy(run, more)
		body = append(body, map[string]any{"type": "RichTextBlock", "inlines": []any{run}})
	}
	add(m.Title(), map[string]any{"weight": "Bolder", "size": "Medium"})
	for _, line := range m.facts() {
		add(line, nil)
	}
	for _, command := range m.Commands {
		add(command, map[string]any{"fontType": "Monospace", "size": "Small"})
	}
	card := map[string]any{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
		"type":    "AdaptiveCard",
		"version": "1.4",
		"body":    body,
	}
	if m.Link != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": "Open", "url": m.Link}}
	}
	return map[string]any{"type": "message", "attachments": []any{
		map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
	}}
}
