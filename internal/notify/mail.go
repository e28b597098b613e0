package notify

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const withoutTLS = "none"

// heloPattern is a name, or an address in brackets. Source: RFC 5321, section 4.1.3.
var heloPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Za-z.:]+\])$`)

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
	l.Want(c.Helo == "" || heloPattern.MatchString(c.Helo), "helo", "is not a host's name such as worker.bank.example")
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
	to      []string // as the header To has them
	domain  string   // of message ids
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
	if c.Helo != "" {
		options = append(options, mail.WithHELO(c.Helo))
	}
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
	s := &mailer{host: u.Hostname(), options: options, from: c.From, domain: domain}
	for _, text := range c.To {
		address, err := netmail.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		s.to = append(s.to, address.String())
	}
	return s, nil
}

// compose writes a mail whose header names every address, for one of them.
func (s *mailer) compose(m Message, to string) (*mail.Msg, error) {
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(s.from), letter.Bcc(to)); err != nil {
		return nil, err
	}
	letter.SetGenHeader("To", strings.Join(s.to, ", "))
	letter.Subject(m.Title())
	letter.SetDateWithValue(m.At)
	// Mail clients show messages with the same id once.
	letter.SetMessageIDWithValue(strings.ReplaceAll(m.ID, "/", ".") + "@" + s.domain)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // suppresses automatic replies
	letter.SetBodyString(mail.TypeTextPlain, m.Text()+"\n")
	return letter, nil
}

// send uses one connection, but a mail of its own for each address: one that the server refuses, or asks to repeat
// later, does not keep the message from the others, nor does it reach them twice.
func (s *mailer) send(ctx context.Context, m Message, to []string, try Try) {
	client, connection, err := s.connect(ctx)
	if err == nil {
		defer func() { _ = client.CloseWithSMTPClient(connection) }()
	}
	for _, address := range to {
		try(address, func() error {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return &Error{NotDelivered: true, Temporary: true, Text: fmt.Sprintf("not sent within %s", sendTimeout)}
			}
			letter, err := s.compose(m, address)
			if err != nil {
				return &Error{NotDelivered: true, Text: err.Error()}
			}
			return mailError(client.SendWithSMTPClient(connection, letter))
		})
	}
}

func (s *mailer) connect(ctx context.Context) (*mail.Client, *smtp.Client, error) {
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return nil, nil, &Error{NotDelivered: true, Text: err.Error()}
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, nil, &Error{NotDelivered: true, Temporary: !permanentlyRefused(err), Text: err.Error()}
	}
	return client, connection, nil
}

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
	return &Error{
		NotDelivered: failed.Reason != mail.ErrSMTPDataClose || failed.ErrorCode() != 0,
		Temporary:    failed.ErrorCode()/100 != 5,
		Text:         failed.Error(),
	}
}

// permanentlyRefused reports whether the server's reply is final, such as to a wrong password: repeating
// the login could lock the account.
func permanentlyRefused(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code/100 == 5
}
