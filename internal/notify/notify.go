// Package notify sends short messages to chat, mail and webhooks. It knows nothing of
// Temporal. What it says of an error never holds a channel's URL, which is a secret.
package notify

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What people are told of, as a channel's configuration names it.
const (
	Waiting   = "waiting"   // a person is asked
	AtRisk    = "at_risk"   // a deadline will probably be missed
	Failed    = "failed"    // it ended without success
	Cancelled = "cancelled" // it was cancelled, or interrupted for good
	Succeeded = "succeeded" // it is done
)

// Events are all of them.
func Events() []string { return []string{Waiting, AtRisk, Failed, Cancelled, Succeeded} }

// DefaultEvents are those that somebody should look at.
func DefaultEvents() []string { return []string{Waiting, AtRisk, Failed} }

// Channel is where messages go.
type Channel struct {
	// Kind is slack (and what takes the same, such as Mattermost), teams, webhook or mail.
	Kind string
	// URL is where to send to, a secret:
	//
	//	https://HOST/...                   slack: an incoming webhook; teams: a workflow's; webhook: any
	//	smtp://USER:PASSWORD@HOST:587      mail, encrypted by STARTTLS
	//	smtps://USER:PASSWORD@HOST:465     mail, encrypted from the start
	//	smtp://HOST:25?tls=none            mail without encryption, and without a password
	URL string
	// SigningKey, a secret, signs what a webhook gets: 24 to 64 bytes as base64, with or without whsec_ before
	// them. Empty: nothing is signed. Source: the specification at standardwebhooks.com, "Signature scheme".
	SigningKey string
	// From and To are addresses of mail.
	From string
	To   []string
	// CAFile holds certificates in PEM form, where a private authority signed the receiver's.
	CAFile string
	// On are the events that it is told of; Connections those of which it is told, empty for all.
	On          []string
	Connections []string
}

// Wants tells whether the channel is to be told of an event on a connection.
func (c Channel) Wants(event, connection string) bool {
	return slices.Contains(c.On, event) && (len(c.Connections) == 0 || slices.Contains(c.Connections, connection))
}

// Fault is something wrong with a key of a channel.
type Fault struct{ Key, Message string }

type sender interface {
	send(ctx context.Context, m Message) error
}

type kind struct {
	check func(u *url.URL) error
	open  func(c Channel) (sender, error)
	// recognises: the receiver can tell a message that comes a second time.
	recognises bool
}

var kinds = map[string]kind{
	"slack":   {checkHTTP, open(slackBody), false},
	"teams":   {checkHTTP, open(teamsBody), false},
	"webhook": {checkHTTP, open(webhookBody), true},
	"mail":    {checkSMTP, openMail, false},
}

// Faults names everything that is wrong with a channel, without contacting it and without its URL.
func (c Channel) Faults() []Fault {
	var faults []Fault
	add := func(key, format string, args ...any) {
		faults = append(faults, Fault{key, fmt.Sprintf(format, args...)})
	}
	k, known := kinds[c.Kind]
	u, err := url.Parse(c.URL)
	switch {
	case !known:
		add("kind", "%q is not one of %s", c.Kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	case err != nil:
		add("url", "is not a URL") // the parser's error would repeat it
	case u.Port() != "" && !isPort(u.Port()):
		add("url", "has a port that is none; ports are 1 to 65535")
	default:
		if err := k.check(u); err != nil {
			add("url", "%v", err)
		}
	}
	if c.Kind == "mail" {
		c.mailFaults(add)
	} else if c.From != "" || len(c.To) > 0 {
		add("to", "from and to are for mail only")
	}
	switch _, err := c.signer(); {
	case c.SigningKey == "":
	case c.Kind != "webhook":
		add("signing_key", "is for a webhook only")
	case err != nil:
		add("signing_key", "%v", err)
	}
	if len(c.On) == 0 {
		add("on", "is empty: leave it out for %s", strings.Join(DefaultEvents(), ", "))
	}
	for _, event := range c.On {
		if !slices.Contains(Events(), event) {
			add("on", "%q is not one of %s", event, strings.Join(Events(), ", "))
		}
	}
	if len(faults) == 0 && c.CAFile != "" {
		if _, err := c.tls(); err != nil {
			add("ca_file", "%v", err)
		}
	}
	return faults
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// Channels are the configured ones, by name.
type Channels struct {
	channels map[string]Channel
	senders  map[string]sender
}

// Open makes the channels ready and contacts none.
func Open(channels map[string]Channel) (*Channels, error) {
	all := &Channels{channels: channels, senders: map[string]sender{}}
	for name, c := range channels {
		if faults := c.Faults(); len(faults) > 0 {
			return nil, fmt.Errorf("notifications.%s.%s: %s", name, faults[0].Key, faults[0].Message)
		}
		s, err := kinds[c.Kind].open(c)
		if err != nil {
			return nil, fmt.Errorf("notifications.%s: %w", name, err)
		}
		all.senders[name] = s
	}
	return all, nil
}

// For names the channels that are told of an event on a connection, in order.
func (c *Channels) For(event, connection string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.channels)) {
		if c.channels[name].Wants(event, connection) {
			names = append(names, name)
		}
	}
	return names
}

// Events are those on a connection that some channel is told of.
func (c *Channels) Events(connection string) []string {
	var events []string
	for _, event := range Events() {
		if len(c.For(event, connection)) > 0 {
			events = append(events, event)
		}
	}
	return events
}

// Recognises tells whether the receiver behind a channel can tell a message that comes a second time.
func (c *Channels) Recognises(name string) bool { return kinds[c.channels[name].Kind].recognises }

// sendTimeout is how long a receiver may take for one message.
const sendTimeout = 15 * time.Second

// Send sends a message through a channel. Every error is an *Error.
func (c *Channels) Send(ctx context.Context, name string, m Message) error {
	s, ok := c.senders[name]
	if !ok {
		return &Error{NotTaken: true, Text: fmt.Sprintf("there is no channel %q in notifications", name)}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := s.send(ctx, m)
	if err == nil {
		return nil
	}
	return scrubbed(err, c.channels[name].URL)
}

// Error is a message that did not get through.
type Error struct {
	// NotTaken: it is certain that the receiver does not have the message.
	NotTaken bool
	// Partly: some of the mail's addresses have the message, and Text says which do not. It is not to go out again.
	Partly bool
	// Temporary: it makes sense to try again.
	Temporary bool
	// RetryAfter is how long the receiver asks to wait; 0 when it does not.
	RetryAfter time.Duration
	// Text is what happened, without the channel's URL.
	Text string

	cause error
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error { return e.cause }
