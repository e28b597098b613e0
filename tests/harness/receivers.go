package harness

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// HookSecret is the secret part of the webhooks' URLs.
const HookSecret = "/services/T0123/hook-secret-0123456789abcdef"

// Notified is an environment whose worker has channels for every event: a webhook, a chat and a mailbox.
type Notified struct {
	*Env
	Hook, Chat *Webhook
	Box        *Mailbox
}

// NewNotified creates an environment with channels.
func NewNotified(t testing.TB, o Options) *Notified {
	t.Helper()
	dir := Folder(t, "receivers")
	ca := func(name string) string { return filepath.Join(dir, name+".pem") }
	n := &Notified{
		Hook: StartWebhook(t, ca("hook")),
		Chat: StartWebhook(t, ca("chat")),
		Box:  StartMailbox(t, "", ca("box")),
	}
	settings := map[string]string{
		"worker.temporal_ui":             "https://temporal.bank.example",
		"notifications.hook.kind":        "webhook",
		"notifications.hook.url":         n.Hook.URL + HookSecret,
		"notifications.hook.signing_key": n.Hook.Sign(),
		"notifications.chat.kind":        "slack",
		"notifications.chat.url":         n.Chat.URL + HookSecret,
		"notifications.box.kind":         "mail",
		"notifications.box.url":          "smtp://pbsmflow%40bank.example:" + n.Box.Password + "@" + n.Box.Address,
		"notifications.box.from":         "pbsmflow@bank.example",
		"notifications.box.to":           "night@bank.example",
	}
	for _, channel := range []string{"hook", "chat", "box"} {
		settings["notifications."+channel+".on"] = strings.Join(notify.Events(), ",")
		settings["notifications."+channel+".ca_file"] = ca(channel)
	}
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	n.Env = New(t, o)
	return n
}

// Fewest returns the smallest number of messages that a receiver has.
func (n *Notified) Fewest() int {
	return min(len(n.Hook.Events()), len(n.Chat.IDs()), len(n.Box.Mails()))
}

// Webhook is an HTTPS server that accepts messages.
type Webhook struct {
	*httptest.Server
	// Fault may respond in its place, once the message is read. It reports whether it did.
	Fault func(w http.ResponseWriter, attempt int) bool

	verifier *standardwebhooks.Webhook // nil: unsigned messages are accepted
	mutex    sync.Mutex
	attempts int
	accepted []notify.Message
	ids      []string // of all attempts
}

// StartWebhook starts a receiver, and writes its certificate to caFile.
func StartWebhook(t testing.TB, caFile string) *Webhook {
	t.Helper()
	w := &Webhook{}
	w.Server = httptest.NewTLSServer(http.HandlerFunc(w.receive))
	t.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
	})
	writeCertificate(t, w.Server, caFile)
	return w
}

func writeCertificate(t testing.TB, s *httptest.Server, caFile string) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := errors.Join(os.MkdirAll(filepath.Dir(caFile), 0o755), os.WriteFile(caFile, text, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (w *Webhook) receive(answer http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var m notify.Message
	_ = json.Unmarshal(text, &m)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.attempts++
	w.ids = append(w.ids, r.Header.Get("webhook-id"))
	if w.verifier != nil && w.verifier.Verify(text, r.Header) != nil {
		answer.WriteHeader(http.StatusUnauthorized)
		return
	}
	if w.Fault != nil && w.Fault(answer, w.attempts) {
		return
	}
	w.accepted = append(w.accepted, m)
}

// Sign makes the webhook refuse messages that are not signed with the returned key.
func (w *Webhook) Sign() (key string) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	w.verifier, _ = standardwebhooks.NewWebhookRaw(secret)
	return base64.StdEncoding.EncodeToString(secret)
}

// Accepted returns the accepted messages, including duplicates.
func (w *Webhook) Accepted() []notify.Message {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.accepted)
}

// IDs returns the message ids of all attempts.
func (w *Webhook) IDs() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.ids)
}

// Events returns the events of the accepted messages, in order. Like a real receiver, it drops duplicate ids.
func (w *Webhook) Events() []string {
	var all []string
	seen := map[string]bool{}
	for _, m := range w.Accepted() {
		if !seen[m.ID] {
			all = append(all, strings.TrimSpace(m.Event+" "+m.Step))
		}
		seen[m.ID] = true
	}
	return all
}

// Mailbox is an SMTP server with STARTTLS and a login.
type Mailbox struct {
	Address, User, Password string

	tls    *tls.Config
	server *smtp.Server
	mutex  sync.Mutex
	mails  []string
	helo   string
	// Refuse may refuse a mail once it is received, RefuseAddress before.
	Refuse        func() error
	RefuseAddress func(to string) error
}

// StartMailbox starts a server on an address; if it is empty, on a free one.
func StartMailbox(t testing.TB, address, caFile string) *Mailbox {
	t.Helper()
	certified := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate for 127.0.0.1
	t.Cleanup(certified.Close)
	writeCertificate(t, certified, caFile)
	b := &Mailbox{User: "pbsmflow@bank.example", Password: "mailbox-secret-0123456789", tls: &tls.Config{Certificates: certified.TLS.Certificates}}
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b.Address = listener.Addr().String()
	b.server = smtp.NewServer(b)
	b.server.TLSConfig, b.server.Domain = b.tls, "127.0.0.1"
	go func() { _ = b.server.Serve(listener) }()
	t.Cleanup(func() { _ = b.server.Close() })
	return b
}

// Mails returns the accepted mails, with their headers.
func (b *Mailbox) Mails() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.mails)
}

// NewSession implements smtp.Backend.
func (b *Mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.helo = c.Hostname()
	return &mailSession{box: b}, nil
}

// Helo is the name that the last client gave.
func (b *Mailbox) Helo() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.helo
}

type mailSession struct {
	box      *Mailbox
	loggedIn bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.loggedIn = user == s.box.User && password == s.box.Password; s.loggedIn {
			return nil
		}
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "authentication failed"}
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if !s.loggedIn {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == "nobody@bank.example" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.box.mutex.Lock()
	defer s.box.mutex.Unlock()
	if s.box.RefuseAddress != nil {
		return s.box.RefuseAddress(to)
	}
	return nil
}

// Later is the reply with which a server puts a mail off.
var Later = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, try again later"}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.box.mutex.Lock()
	defer s.box.mutex.Unlock()
	if s.box.Refuse != nil {
		if err := s.box.Refuse(); err != nil {
			return err
		}
	}
	s.box.mails = append(s.box.mails, string(text))
	return nil
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }
