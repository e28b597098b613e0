// Package notify sends notifications to chat, mail and webhooks. It knows nothing of Temporal.
// Its errors never contain a channel's URL, which is a secret.
package notify

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// The events that a channel can receive, by their names in the configuration.
const (
	Waiting   = "waiting"   // an operator is asked a question
	AtRisk    = "at_risk"   // a deadline will probably be missed
	Failed    = "failed"    // it ended without success
	Cancelled = "cancelled" // it was cancelled, or interrupted for good
	Succeeded = "succeeded"
)

// Events lists all events.
func Events() []string { return []string{Waiting, AtRisk, Failed, Cancelled, Succeeded} }

// DefaultEvents lists the events that need attention.
func DefaultEvents() []string { return []string{Waiting, AtRisk, Failed} }

// Channel is where messages are sent.
type Channel struct {
	// Kind is slack (and what is compatible with it, such as Mattermost), teams, webhook or mail.
	Kind string
	// URL is the receiver's address, a secret:
	//
	//	https://HOST/...                   slack: an incoming webhook; teams: a workflow's; webhook: any
	//	smtp://USER:PASSWORD@HOST:587      mail, encrypted with STARTTLS
	//	smtps://USER:PASSWORD@HOST:465     mail, encrypted from the start
	//	smtp://HOST:25?tls=none            mail without encryption, and without a password
	URL string
	// SigningKey, a secret, signs the messages of a webhook: 24 to 64 bytes in base64, with or without the
	// prefix whsec_. Nothing is signed without it. Source: standardwebhooks.com, "Signature scheme".
	SigningKey string
	// From and To are mail addresses.
	From string
	To   []string
	// Helo is the name with which mail is introduced to the server; that of the host when empty.
	Helo string
	// CAFile contains certificates in PEM form that are trusted in addition to the system's.
	CAFile string
	// On are the events that the channel receives, Connections the connections for which it receives them;
	// without any, all.
	On          []string
	Connections []string
}

func (c Channel) receives(event, connection string) bool {
	return slices.Contains(c.On, event) && (len(c.Connections) == 0 || slices.Contains(c.Connections, connection))
}

type sender interface {
	// send calls try once for each receiver in to.
	send(ctx context.Context, m Message, to []string, try Try)
}

// Try decides whether a message is sent to a receiver, and learns what came of it: every error is an *Error.
type Try func(to string, send func() error)

type kind struct {
	check func(u *url.URL) error
	open  func(c Channel) (sender, error)
	// deduplicates: the receiver recognises a message that is delivered twice.
	deduplicates bool
}

var kinds = map[string]kind{
	"slack":   {checkHTTP, openHTTP(slackBody), false},
	"teams":   {checkHTTP, openHTTP(teamsBody), false},
	"webhook": {checkHTTP, openHTTP(webhookBody), true},
	"mail":    {checkSMTP, openMail, false},
}

// Problems checks the channel without contacting the receiver. Their messages do not contain the URL.
func (c Channel) Problems() problem.List {
	var l problem.List
	c.checkURL(&l)
	if c.Kind == "mail" {
		c.checkAddresses(&l)
	} else if c.From != "" || len(c.To) > 0 || c.Helo != "" {
		l.Add("to", "from, to and helo are for mail only")
	}
	if c.SigningKey != "" && l.Want(c.Kind == "webhook", "signing_key", "is for a webhook only") {
		_, err := c.signer()
		l.Check("signing_key", err)
	}
	if len(c.On) == 0 {
		l.Addf("on", "is empty; without the key it is %s", strings.Join(DefaultEvents(), ", "))
	}
	for _, event := range c.On {
		l.Want(slices.Contains(Events(), event), "on", "%q is not one of %s", event, strings.Join(Events(), ", "))
	}
	_, err := httpx.Roots(c.CAFile)
	l.Check("ca_file", err)
	return l
}

func (c Channel) checkURL(l *problem.List) {
	k, known := kinds[c.Kind]
	u, err := url.Parse(c.URL)
	switch {
	case !known:
		l.Addf("kind", "%q is not one of %s", c.Kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	case err != nil:
		l.Add("url", "is not a URL") // the parser's error would repeat it
	case u.Port() != "" && !isPort(u.Port()):
		l.Add("url", "has an invalid port (must be 1 to 65535)")
	default:
		l.Check("url", k.check(u))
	}
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// Channels are the configured channels, by name.
type Channels struct {
	channels map[string]Channel
	senders  map[string]sender
}

// Open prepares the channels without contacting any receiver.
func Open(channels map[string]Channel) (*Channels, error) {
	all := &Channels{channels: channels, senders: map[string]sender{}}
	var problems problem.List
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		key := "notifications." + name
		if c := channels[name]; problems.Check(key, c.Problems().Err()) {
			s, err := kinds[c.Kind].open(c)
			problems.Check(key, err)
			all.senders[name] = s
		}
	}
	return all, problems.Err()
}

// For names the channels that receive an event of a connection, in order.
func (c *Channels) For(event, connection string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.channels)), func(name string) bool {
		return !c.channels[name].receives(event, connection)
	})
}

// Events are the events of a connection that at least one channel receives.
func (c *Channels) Events(connection string) []string {
	return slices.DeleteFunc(Events(), func(event string) bool { return len(c.For(event, connection)) == 0 })
}

// Deduplicates reports whether the receiver of a channel recognises a message that is delivered twice.
func (c *Channels) Deduplicates(name string) bool { return kinds[c.channels[name].Kind].deduplicates }

// sendTimeout is how long a channel has to accept a message, for all of its receivers.
const sendTimeout = 15 * time.Second

// Receivers are those that a message through a channel goes to: the addresses of mail, and otherwise one without a
// name. Each has a delivery of its own.
func (c *Channels) Receivers(name string) []string {
	if to := c.channels[name].To; len(to) > 0 {
		return to
	}
	return []string{""}
}

// Send delivers a message to receivers of a channel, one after the other.
func (c *Channels) Send(ctx context.Context, name string, m Message, to []string, try Try) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	c.senders[name].send(ctx, m, to, func(receiver string, send func() error) {
		try(receiver, func() error {
			if err := send(); err != nil {
				return redacted(err, c.channels[name].URL)
			}
			return nil
		})
	})
}

// Error is a delivery that failed.
type Error struct {
	// NotDelivered: it is certain that the receiver does not have the message.
	NotDelivered bool
	// Temporary: another attempt may succeed.
	Temporary bool
	// RetryAfter is how long the receiver asks to wait before another attempt; 0 when it does not.
	RetryAfter time.Duration
	// Text is what happened, without the channel's URL.
	Text string
}

func (e *Error) Error() string { return e.Text }
