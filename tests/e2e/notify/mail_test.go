// Package notify tests notifications: mail to a real SMTP server, and all channels from a worker that is killed.
package notify

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
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

func (p *post) send(t *testing.T) error {
	t.Helper()
	channels, err := notify.Open(map[string]notify.Channel{"mail": p.channel})
	require.NoError(t, err)
	return channels.Send(t.Context(), "mail", question)
}

func TestMail_arrives(t *testing.T) {
	p := newPost(t)
	require.NoError(t, p.send(t))
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
			p.box.Refuse = func() error {
				return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
			}
		}, notify.Error{NotDelivered: true, Temporary: true, Text: "later"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			secret := p.box.Password
			c.change(p)
			err := p.send(t)
			var failed *notify.Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, c.want.NotDelivered, failed.NotDelivered, "%s", failed.Text)
			require.Equal(t, c.want.Temporary, failed.Temporary, "%s", failed.Text)
			require.Contains(t, failed.Text, c.want.Text)
			require.NotContains(t, failed.Text, secret)
			require.Empty(t, p.box.Mails())
		})
	}
}

// If one of several addresses fails, the others get the mail, and the error names the failed one.
func TestMail_partlyDelivered(t *testing.T) {
	p := newPost(t)
	p.channel.To = []string{"nobody@bank.example", "night@bank.example"}
	var failed *notify.Error
	require.ErrorAs(t, p.send(t), &failed)
	require.Len(t, p.box.Mails(), 1)
	require.True(t, failed.Partial)
	require.False(t, failed.NotDelivered || failed.Temporary, "a second mail would be a duplicate for the others")
	require.Contains(t, failed.Text, "nobody@bank.example: ")
	require.NotContains(t, failed.Text, "night@bank.example: ")
}
