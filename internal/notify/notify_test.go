package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const token = "T012345/B678901/hook-secret-abcdef"

var question = Message{
	ID: "run/7", Event: Waiting, At: time.Date(2026, 11, 1, 2, 14, 0, 0, time.UTC), WorkflowID: "close/prod/nightly-close/2026-10-31",
	Connection: "prod", Subject: "nightly-close", AsOfDate: "2026-10-31", Step: "allocate", What: "ALLOC_1 ended <!channel> as Failure",
	Deadline: time.Date(2026, 11, 1, 5, 0, 0, 0, time.FixedZone("", -5*3600)),
	TimeZone: "America/New_York", Commands: []string{`starter close decide X --choice retry`}, Link: "https://temporal.bank.example/x",
}

func TestMessage_text(t *testing.T) {
	require.Equal(t, "nightly-close 2026-10-31 on prod: allocate waits for an operator", question.Title())
	require.Equal(t, `ALLOC_1 ended <!channel> as Failure
Until Sun 2026-11-01 05:00 EST

starter close decide X --choice retry

https://temporal.bank.example/x`, question.Text())
	ended := Message{Event: Succeeded, Subject: "ALLOC", AsOfDate: "2026-10-31", What: "succeeded", RunID: "ALLOC_1"}
	require.Equal(t, "ALLOC 2026-10-31 succeeded", ended.Title())
	require.Equal(t, "succeeded\nRun ALLOC_1", ended.Text())
	ended.AuditFile, ended.Seal = "reports/audit.jsonl", "5f70"
	require.Contains(t, ended.Text(), "\nAudit file reports/audit.jsonl, seal 5f70")
	ended.Seal = ""
	require.Contains(t, ended.Text(), "\nThe audit file reports/audit.jsonl could not be written")
}

func FuzzMessage_text(f *testing.F) {
	f.Add("nightly\r\nBcc: x", strings.Repeat("ü", 700))
	f.Fuzz(func(t *testing.T, subject, what string) {
		m := Message{Event: Failed, Subject: subject, What: what}
		require.NotContains(t, m.Title(), "\n")
		require.NotContains(t, m.Title(), "\r")
		require.LessOrEqual(t, len(m.Text()), maxWhat+40)
		if utf8.ValidString(what) {
			require.True(t, utf8.ValidString(m.Text()))
		}
	})
}

// receiver is an HTTPS server and a channel to it.
func receiver(t *testing.T, kind string, answer http.HandlerFunc) (*httptest.Server, Channel) {
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	return server, Channel{Kind: kind, URL: server.URL + "/" + token + "?key=query-secret-9", CAFile: ca, On: Events()}
}

func send(t *testing.T, c Channel) error {
	t.Helper()
	channels, err := Open(map[string]Channel{"c": c})
	require.NoError(t, err)
	channels.Send(t.Context(), "c", question, channels.Receivers("c"), func(_ string, send func() error) { err = send() })
	return err
}

type card struct {
	Body []struct {
		Type    string
		Inlines []struct{ Type, Text string }
	}
	Actions []struct{ URL string }
}

func teamsCard(t *testing.T, body string) card {
	t.Helper()
	var got struct{ Attachments []struct{ Content card } }
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	return got.Attachments[0].Content
}

// What a message quotes is not taken for markup by any channel.
func TestSend_escapesMarkup(t *testing.T) {
	for _, quoted := range []string{
		"[Approve here](http://evil.example/x)", "![x](http://evil.example/x.png)", "[x][y]", "<http://evil.example/x|Approve>",
		"<!channel>", "@channel", "*bold*", "~struck~", "```\n[a](http://evil.example)\n```", "`code`",
	} {
		m := Message{Event: Failed, Subject: quoted, What: "missing: " + quoted}
		text := slackBody(m).(map[string]any)["text"].(string)
		title, code, _ := strings.Cut(text, "\n```\n")
		for _, markup := range []string{"](", "][", "<", ">", "@c", "`"} {
			require.NotContains(t, title, markup, quoted)
		}
		require.NotRegexp(t, `[*~]\w.*[*~]`, strings.Trim(title, "*"), quoted)
		block, more, closed := strings.Cut(code, "\n```")
		require.True(t, closed)
		require.Empty(t, more)
		require.NotContains(t, block, "`")
		require.NotContains(t, block, "<")

		body, err := json.Marshal(teamsBody(m))
		require.NoError(t, err)
		for _, block := range teamsCard(t, string(body)).Body {
			require.Equal(t, "RichTextBlock", block.Type)
			require.Equal(t, "TextRun", block.Inlines[0].Type)
		}
	}
}

func TestSend_body(t *testing.T) {
	for kind, check := range map[string]func(*testing.T, string){
		"slack": func(t *testing.T, body string) {
			var got struct{ Text string }
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.Equal(t, "*nightly-close 2026-10-31 on prod: allocate waits for an operator*\n```\nALLOC_1 ended &lt;!channel&gt; as Failure\n"+
				"Until Sun 2026-11-01 05:00 EST\n\nstarter close decide X --choice retry\n```\n"+question.Link, got.Text, "the service's text mentions nobody")
		},
		"teams": func(t *testing.T, body string) {
			card := teamsCard(t, body)
			require.Equal(t, question.Title(), card.Body[0].Inlines[0].Text)
			require.Equal(t, question.Commands[0], card.Body[3].Inlines[0].Text)
			require.Equal(t, question.Link, card.Actions[0].URL)
		},
		"webhook": func(t *testing.T, body string) {
			var got Message
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.True(t, question.Deadline.Equal(got.Deadline))
			got.Deadline = question.Deadline
			require.Equal(t, question, got)
			require.Contains(t, body, `"title":"nightly-close 2026-10-31 on prod: allocate waits for an operator"`)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			var body string
			_, c := receiver(t, kind, func(_ http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				body = string(text)
				assert.Equal(t, "run/7", r.Header.Get("webhook-id"))
				assert.Equal(t, "/"+token, r.URL.Path)
			})
			require.NoError(t, send(t, c))
			check(t, body)
		})
	}
}

// A receiver can verify the sender of a message, and that it is not a replay.
func TestSend_signsWebhooks(t *testing.T) {
	const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(key)
	require.NoError(t, err)
	var verified []error
	_, c := receiver(t, "webhook", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		verified = append(verified, verifier.Verify(text, r.Header), verifier.Verify(append(text, ' '), r.Header))
	})
	c.SigningKey = key
	require.NoError(t, send(t, c)) // the event is weeks old, the signature is not
	require.Len(t, verified, 2)
	require.NoError(t, verified[0])
	require.ErrorIs(t, verified[1], standardwebhooks.ErrNoMatchingSignature)
}

func TestProblems_signingKey(t *testing.T) {
	key := func(size int) string { return base64.StdEncoding.EncodeToString(make([]byte, size)) }
	for name, c := range map[string]struct{ kind, key, want string }{
		"valid":          {"webhook", key(24), ""},
		"not base64":     {"webhook", "whsec_secret!", "must be 24 to 64 bytes in base64"},
		"too short":      {"webhook", key(23), "must be 24 to 64 bytes in base64"},
		"too long":       {"webhook", key(65), "must be 24 to 64 bytes in base64"},
		"not for a chat": {"slack", key(24), "is for a webhook only"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := Channel{Kind: c.kind, URL: "https://bank.example/x", SigningKey: c.key, On: Events()}.Problems()
			if c.want == "" {
				require.Empty(t, problems)
				return
			}
			require.Len(t, problems, 1)
			require.Equal(t, "signing_key", problems[0].Path)
			require.Contains(t, problems[0].Message, c.want)
			require.NotContains(t, problems[0].Message, c.key)
		})
	}
}

// How a delivery failed decides whether it is repeated. No error contains a part of the URL's path or query.
func TestSend_failed(t *testing.T) {
	statusAfter := func(code int, wait string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", wait)
			http.Error(w, "no: "+r.URL.String(), code)
		}
	}
	status := func(code int) http.HandlerFunc { return statusAfter(code, "7") }
	nextYear := time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		spoil  func(*Channel)
		want   Error
	}{
		"500":      {status(500), nil, Error{NotDelivered: true, Temporary: true, RetryAfter: 7 * time.Second, Text: "500 Internal Server Error"}},
		"429":      {status(429), nil, Error{NotDelivered: true, Temporary: true, RetryAfter: 7 * time.Second, Text: "429"}},
		"503 date": {statusAfter(503, nextYear), nil, Error{NotDelivered: true, Temporary: true, RetryAfter: maxRetryAfter, Text: "503"}},
		"404":      {status(404), nil, Error{NotDelivered: true, RetryAfter: 7 * time.Second, Text: "404"}},
		"redirect": {status(307), nil, Error{NotDelivered: true, RetryAfter: 7 * time.Second, Text: "307"}},
		"closed":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, Error{Temporary: true, Text: "closed without a response"}},
		"nobody":   {status(200), func(c *Channel) { c.URL = "https://127.0.0.1:1/" + token }, Error{NotDelivered: true, Temporary: true, Text: "connection refused"}},
		"stranger": {status(200), func(c *Channel) { c.CAFile = "" }, Error{NotDelivered: true, Temporary: true, Text: "certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, channel := receiver(t, "slack", c.answer)
			server.Config.ErrorLog = nil
			if c.spoil != nil {
				c.spoil(&channel)
			}
			var failed *Error
			require.ErrorAs(t, send(t, channel), &failed)
			require.Contains(t, failed.Text, c.want.Text)
			for _, secret := range []string{token, "hook-secret", "query-secret"} {
				require.NotContains(t, failed.Text, secret)
			}
			c.want.Text = failed.Text
			require.Equal(t, c.want, *failed)
		})
	}
}

// A receiver that accepts the connection and does not respond may have the message.
func TestSend_receiverHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	sender := &httpSender{url: "http://" + listener.Addr().String() + "/" + token, client: http.DefaultClient, body: slackBody}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = redacted(sender.post(ctx, question), sender.url)
	require.Equal(t, &Error{Temporary: true, Text: "no response within 15s"}, err)
}

func TestRedacted(t *testing.T) {
	for _, secret := range []string{"https://hooks.example.com/" + token + "?key=query-secret-9", "smtp://user:pass%20word-secret@mail.example.com:587"} {
		err := redacted(&Error{Text: "Post " + secret + ": " + secret[8:] + " hook-secret-abcdef pass word-secret key=query-secret-9"}, secret)
		for _, part := range []string{"hook-secret", "word-secret", "query-secret"} {
			if strings.Contains(secret, part) {
				require.NotContains(t, err.Error(), part)
			}
		}
	}
}

func TestProblems(t *testing.T) {
	good := Channel{Kind: "slack", URL: "https://hooks.example.com/" + token, On: []string{Failed}}
	mail := Channel{Kind: "mail", URL: "smtp://u:p@mail.example.com", From: "a@b.example", To: []string{"c@d.example"}, On: []string{Failed}}
	change := func(c Channel, f func(*Channel)) Channel { f(&c); return c }
	for name, c := range map[string]struct {
		channel Channel
		keys    []string
	}{
		"good":               {good, nil},
		"mail":               {mail, nil},
		"relay":              {change(mail, func(c *Channel) { c.URL = "smtp://relay:25?tls=none" }), nil},
		"this machine":       {change(good, func(c *Channel) { c.URL = "http://127.0.0.1:9000/x" }), nil},
		"kind":               {change(good, func(c *Channel) { c.Kind = "fax" }), []string{"kind"}},
		"http":               {change(good, func(c *Channel) { c.URL = "http://hooks.example.com/" + token }), []string{"url"}},
		"not a URL":          {change(good, func(c *Channel) { c.URL = "https://[" + token }), []string{"url"}},
		"event":              {change(good, func(c *Channel) { c.On = []string{"parked"} }), []string{"on"}},
		"no event":           {change(good, func(c *Channel) { c.On = nil }), []string{"on"}},
		"addresses of none":  {change(good, func(c *Channel) { c.To = []string{"a@b.example"} }), []string{"to"}},
		"no addresses":       {change(mail, func(c *Channel) { c.From, c.To = "", nil }), []string{"from", "to"}},
		"helo":               {change(mail, func(c *Channel) { c.Helo = "worker.bank.example" }), nil},
		"helo address":       {change(mail, func(c *Channel) { c.Helo = "[10.0.0.7]" }), nil},
		"bad helo":           {change(mail, func(c *Channel) { c.Helo = "a\r\nb" }), []string{"helo"}},
		"helo of a chat":     {change(good, func(c *Channel) { c.Helo = "x" }), []string{"to"}},
		"bad address":        {change(mail, func(c *Channel) { c.To = []string{"c@d.example", "x\r\ny"} }), []string{"to.1"}},
		"password in clear":  {change(mail, func(c *Channel) { c.URL += "?tls=none" }), []string{"url"}},
		"user alone":         {change(mail, func(c *Channel) { c.URL = "smtp://u@mail.example.com" }), []string{"url"}},
		"no such port":       {change(mail, func(c *Channel) { c.URL += ":70000" }), []string{"url"}},
		"no web port":        {change(good, func(c *Channel) { c.URL = "https://hooks.example.com:70000/" + token }), []string{"url"}},
		"port 0":             {change(mail, func(c *Channel) { c.URL += ":0" }), []string{"url"}},
		"unknown option":     {change(mail, func(c *Channel) { c.URL += "?starttls=no" }), []string{"url"}},
		"missing authority":  {change(good, func(c *Channel) { c.CAFile = "/nowhere" }), []string{"ca_file"}},
		"everything at once": {Channel{Kind: "mail", URL: "https://x/" + token, On: []string{"x"}}, []string{"url", "from", "to", "on"}},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			for _, p := range c.channel.Problems() {
				keys = append(keys, p.Path)
				require.NotContains(t, p.Message, "secret", "the URL")
			}
			require.Equal(t, c.keys, keys)
		})
	}
}

func TestChannels_For(t *testing.T) {
	on := func(connections []string, events ...string) Channel {
		return Channel{Kind: "slack", URL: "https://h.example/x", On: events, Connections: connections}
	}
	c, err := Open(map[string]Channel{"b": on(nil, Failed), "a": on([]string{"prod"}, Waiting, Failed)})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, c.For(Failed, "prod"))
	require.Equal(t, []string{"b"}, c.For(Failed, "test"))
	require.Equal(t, []string{Waiting, Failed}, c.Events("prod"))
	require.Equal(t, []string{Failed}, c.Events("test"))
}
