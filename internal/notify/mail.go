package notify

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const withoutTLS = "none"

func checkSMTP(u *url.URL) error {
	password, _ := u.User.Password()
	plain := u.Query().Get("tls")
	switch {
	case u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps":
		return errors.New("must look like smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465")
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return errors.New("must not have a path or a fragment; addresses belong in from and to")
	case (u.User.Username() == "") != (password == ""):
		return errors.New("must have both a user and a password, or neither; " +
			"percent-encode special characters in them (%40 for @)")
	case plain != "" && plain != withoutTLS || len(u.Query()) > 1 || len(u.Query()) == 1 && plain == "":
		return errors.New("must not have options other than tls=none")
	case plain != "" && (u.User != nil || u.Scheme == "smtps"):
		return errors.New("must not combine tls=none with a password or smtps")
	}
	return nil
}

func (c Channel) checkAddresses(l *problem.List) {
	if _, err := netmail.ParseAddress(c.From); err != nil {
		l.Add("from", "is not an address such as pbsmflow@bank.example")
	}
	l.Want(len(c.To) > 0, "to", "is missing: at least one address is needed")
	for i, address := range c.To {
		if _, err := netmail.ParseAddress(address); err != nil {
			l.Add(fmt.Sprintf("to.%d", i), "is not an address such as night@bank.example")
		}
	}
}

// mailer sends messages through an SMTP server.
type mailer struct {
	host    string
	options []mail.Option
	from    string
	to      []string
	domain  string // of message ids
}

func openMail(c Channel) (sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	config, err := httpx.TLSConfig(c.CAFile, false)
	if err != nil {
		return nil, err
	}
	config.ServerName = u.Hostname()
	options := []mail.Option{mail.WithTimeout(sendTimeout), mail.WithTLSConfig(config)}
	var port int
	switch {
	case u.Scheme == "smtps":
		options, port = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithSSL()), 465
	case u.Query().Get("tls") == withoutTLS:
		options, port = append(options, mail.WithTLSPolicy(mail.NoTLS)), 25
	default:
		options, port = append(options, mail.WithTLSPolicy(mail.TLSMandatory)), 587
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, errors.New("the URL's port cannot be used")
		}
	}
	options = append(options, mail.WithPort(port))
	if password, ok := u.User.Password(); ok {
		user := u.User.Username()
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover))
		options = append(options, mail.WithUsername(user), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(u.Hostname(), options...); err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	sender, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	return &mailer{host: u.Hostname(), options: options, from: c.From, to: c.To, domain: domain}, nil
}

func (s *mailer) compose(m Message, to ...string) (*mail.Msg, error) {
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(s.from), letter.To(to...)); err != nil {
		return nil, err
	}
	letter.Subject(m.Title())
	letter.SetDateWithValue(m.At)
	// Mail clients show messages with the same id once.
	letter.SetMessageIDWithValue(strings.ReplaceAll(m.ID, "/", ".") + "@" + s.domain)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // suppresses automatic replies
	letter.SetBodyString(mail.TypeTextPlain, m.Text()+"\n")
	return letter, nil
}

func (s *mailer) send(ctx context.Context, m Message) error {
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return &Error{NotDelivered: true, Text: err.Error()}
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &Error{NotDelivered: true, Temporary: !permanentlyRefused(err), Text: err.Error()}
	}
	defer func() { _ = client.CloseWithSMTPClient(connection) }()

	deliver := func(to ...string) error {
		letter, err := s.compose(m, to...)
		if err != nil {
			return &Error{NotDelivered: true, Text: err.Error()}
		}
		return mailError(client.SendWithSMTPClient(connection, letter))
	}
	err = deliver(s.to...)
	if !errors.Is(err, errAddress) || len(s.to) == 1 {
		return err
	}
	return s.sendToEach(deliver, err)
}

// sendToEach delivers to one address at a time, so that an address which is refused does not keep the mail
// from the others. refused is why all of them together were refused.
func (s *mailer) sendToEach(deliver func(to ...string) error, refused error) error {
	var failed []string
	for _, address := range s.to {
		err := deliver(address)
		if err == nil {
			continue
		}
		failed = append(failed, fmt.Sprintf("%s: %v", address, err))
		if !errors.Is(err, errAddress) {
			refused = err
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case len(s.to):
		return refused
	}
	return &Error{Partial: true, Text: "some addresses did not get the message: " + strings.Join(failed, "; ")}
}

// errAddress: the server refuses an address.
var errAddress = errors.New("an address is refused")

// mailError judges how far a mail got: once the server has confirmed the end of its data, it has the mail.
func mailError(err error) error {
	var failed *mail.SendError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return &Error{Temporary: true, Text: err.Error()}
	case failed.Reason == mail.ErrSMTPReset: // after the end of the data
		return nil
	}
	var cause error
	if failed.Reason == mail.ErrSMTPRcptTo {
		cause = errAddress
	}
	return &Error{
		NotDelivered: failed.Reason != mail.ErrSMTPDataClose || failed.ErrorCode() != 0,
		Temporary:    failed.ErrorCode()/100 != 5,
		Text:         failed.Error(),
		cause:        cause,
	}
}

// permanentlyRefused reports whether the server's reply is final, such as to a wrong password: repeating
// the login could lock the account.
func permanentlyRefused(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code/100 == 5
}
