// Package notify tests notifications: mail to a real SMTP server, and all channels from a worker that is killed.
package notify

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/tests/harness"
)

var question = notify.Message{
	ID: "0192-run/7", Event: notify.Waiting, At: time.Date(2026, 11, 1, 2, 14, 0, 0, time.UTC), Connection: "prod",
	Subject: "nightly-close", AsOfDate: "2026-10-31", Step: "allocate", What: "ALLOC_1 ended as Failure über T2",
	Commands: []string{`starter close decide close/prod/nightly-close/2026-10-31 --step allocate --choice retry --reason "..."`},
	Link:     "https://temporal.bank.example/namespaces/default/workflows/close%2Fprod",
}

type post struct {
	box     *harness.Mailbox
	channel notify.Channel
}

func newPost(t *testing.T) *post {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	box := harness.StartMailbox(t, "", ca)
	return &post{box, notify.Channel{
		Kind: "mail", URL: "smtp://" + "pbsmflow%40bank.example:" + box.Password + "@" + box.Address,
		From: "Night <pbsmflow@bank.example>", To: []string{"night@bank.example"}, CAFile: ca, On: notify.Events(),
	}}
}

// send returns the errors by address.
func (p *post) send(t *testing.T) map[string]error {
	t.Helper()
	channels, err := notify.Open(map[string]notify.Channel{"mail": p.channel})
	require.NoError(t, err)
	failed := map[string]error{}
	channels.Send(t.Context(), "mail", question, channels.Receivers("mail"), func(to string, send func() error) {
		if err := send(); err != nil {
			failed[to] = err
		}
	})
	return failed
}

func TestMail_arrives(t *testing.T) {
	p := newPost(t)
	p.channel.Helo = "worker.bank.example"
	require.Empty(t, p.send(t))
	require.Equal(t, p.channel.Helo, p.box.Helo())
	require.Len(t, p.box.Mails(), 1)
	mail := strings.ReplaceAll(p.box.Mails()[0], "\r\n ", " ") // headers may be folded
	for _, part := range []string{
		"Subject: nightly-close 2026-10-31 on prod: allocate waits for an operator\r\n", "Message-ID: <0192-run.7@bank.example>\r\n",
		"Auto-Submitted: auto-generated\r\n", "=C3=BCber T2", "starter close decide",
	} {
		require.Contains(t, mail, part)
	}
}

// The response of the server decides whether the mail is sent again; no error contains the password.
func TestMail_notDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*post)
		want   notify.Error
	}{
		"no server":          {func(p *post) { p.channel.URL = "smtp://127.0.0.1:1" }, notify.Error{NotDelivered: true, Temporary: true, Text: "connection refused"}},
		"wrong password":     {func(p *post) { p.box.Password = "another" }, notify.Error{NotDelivered: true, Text: "authentication failed"}},
		"unknown authority":  {func(p *post) { p.channel.CAFile = "" }, notify.Error{NotDelivered: true, Temporary: true, Text: "certificate"}},
		"without encryption": {func(p *post) { p.channel.URL = "smtp://" + p.box.Address + "?tls=none" }, notify.Error{NotDelivered: true, Text: "Please authenticate first"}},
		"no such mailbox":    {func(p *post) { p.channel.To = []string{"nobody@bank.example"} }, notify.Error{NotDelivered: true, Text: "no such mailbox"}},
		"refused for now": {func(p *post) {
			p.box.Refuse = func() error { return harness.Later }
		}, notify.Error{NotDelivered: true, Temporary: true, Text: "greylisted"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			secret := p.box.Password
			c.change(p)
			var failed *notify.Error
			require.ErrorAs(t, p.send(t)[p.channel.To[0]], &failed)
			require.Equal(t, c.want.NotDelivered, failed.NotDelivered, "%s", failed.Text)
			require.Equal(t, c.want.Temporary, failed.Temporary, "%s", failed.Text)
			require.Contains(t, failed.Text, c.want.Text)
			require.NotContains(t, failed.Text, secret)
			require.Empty(t, p.box.Mails())
		})
	}
}

// Each address has a delivery of its own: what one of them is refused reaches the others, once.
func TestMail_eachAddress(t *testing.T) {
	p := newPost(t)
	p.channel.To = []string{"nobody@bank.example", "Größe <night@bank.example>", "late@bank.example"}
	p.box.RefuseAddress = func(to string) error {
		if to == "late@bank.example" {
			return harness.Later
		}
		return nil
	}
	failed := p.send(t)
	require.Len(t, failed, 2)
	for to, want := range map[string]notify.Error{
		"nobody@bank.example": {NotDelivered: true, Text: "no such mailbox"},
		"late@bank.example":   {NotDelivered: true, Temporary: true, Text: "greylisted"},
	} {
		var e *notify.Error
		require.ErrorAs(t, failed[to], &e)
		require.Contains(t, e.Text, want.Text)
		want.Text = e.Text
		require.Equal(t, want, *e)
	}
	require.Len(t, p.box.Mails(), 1)
	header := strings.ReplaceAll(p.box.Mails()[0], "\r\n ", " ")
	require.Contains(t, header, "To: <nobody@bank.example>, =?utf-8?q?Gr=C3=B6=C3=9Fe?= <night@bank.example>, <late@bank.example>\r\n")
	require.NotContains(t, header, "Bcc")
}
