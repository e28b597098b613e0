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
)

const withoutTLS = "none"

func checkSMTP(u *url.URL) error {
	password, _ := u.User.Password()
	plain := u.Query().Get("tls")
	switch {
	case u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps":
		return errors.New("must be such as smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465")
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return errors.New("has a path or a fragment; the addresses are in from and to")
	case (u.User.Username() == "") != (password == ""):
		return errors.New("has a user or a password and not both; a special character in one is written as %40")
	case plain != "" && plain != withoutTLS || len(u.Query()) > 1 || len(u.Query()) == 1 && plain == "":
		return errors.New("can have only tls=none behind the question mark")
	case plain != "" && (u.User != nil || u.Scheme == "smtps"):
		return errors.New("says tls=none, with which neither a password nor smtps goes")
	}
	return nil
}

func (c Channel) mailFaults(add func(key, format string, args ...any)) {
	if _, err := netmail.ParseAddress(c.From); err != nil {
		add("from", "is not an address such as pbsmflow@bank.example")
	}
	if len(c.To) == 0 {
		add("to", "is missing: at least one address")
	}
	for i, address := range c.To {
		if _, err := netmail.ParseAddress(address); err != nil {
			add(fmt.Sprintf("to.%d", i), "is not an address such as night@bank.example")
		}
	}
}

// mailer sends messages through an SMTP server.
type mailer struct {
	host    string
	options []mail.Option
	from    string
	to      []string
	domain  string // behind the @ of message ids
}

func openMail(c Channel) (sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	config.ServerName = u.Hostname()
	options := []mail.Option{mail.WithTimeout(sendTimeout), mail.WithTLSConfig(config), mail.WithTLSPolicy(mail.TLSMandatory)}
	port := 587
	switch {
	case u.Scheme == "smtps":
		options, port = append(options, mail.WithSSL()), 465
	case u.Query().Get("tls") == withoutTLS:
		options, port = append(options, mail.WithTLSPolicy(mail.NoTLS)), 25
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, errors.New("the URL's port cannot be used")
		}
	}
	options = append(options, mail.WithPort(port))
	if password, ok := u.User.Password(); ok {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(u.Hostname(), options...); err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	_, domain, _ := strings.Cut(address(c.From), "@")
	return &mailer{host: u.Hostname(), options: options, from: c.From, to: c.To, domain: domain}, nil
}

// address is the bare one of "Name <address>".
func address(text string) string {
	parsed, err := netmail.ParseAddress(text)
	if err != nil {
		return ""
	}
	return parsed.Address
}

func (s *mailer) compose(m Message, to ...string) (*mail.Msg, error) {
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(s.from), letter.To(to...)); err != nil {
		return nil, err
	}
	letter.Subject(m.Title())
	letter.SetDateWithValue(m.At)
	letter.SetMessageIDWithValue(strings.ReplaceAll(m.ID, "/", ".") + "@" + s.domain) // of a mail that comes twice, one is shown
	letter.SetGenHeader("Auto-Submitted", "auto-generated")                           // nobody's absence is to answer
	letter.SetBodyString(mail.TypeTextPlain, m.Text()+"\n")
	return letter, nil
}

func (s *mailer) send(ctx context.Context, m Message) error {
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return &Error{NotTaken: true, Text: err.Error()}
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &Error{NotTaken: true, Temporary: !refusedForGood(err), Text: err.Error()}
	}
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	post := func(to ...string) error {
		letter, err := s.compose(m, to...)
		if err != nil {
			return &Error{NotTaken: true, Text: err.Error()}
		}
		return mailError(client.SendWithSMTPClient(connection, letter))
	}
	err = post(s.to...)
	if !errors.Is(err, errAddress) || len(s.to) == 1 {
		return err
	}
	var refused []string
	for _, address := range s.to { // one that is gone does not keep it from the others
		one := post(address)
		if one == nil {
			continue
		}
		refused = append(refused, fmt.Sprintf("%s: %v", address, one))
		if !errors.Is(one, errAddress) {
			err = one
		}
	}
	switch len(refused) {
	case 0:
		return nil
	case len(s.to):
		return err
	}
	return &Error{Partly: true, Text: "not every address has the message: " + strings.Join(refused, "; ")}
}

// errAddress is an address that the server does not take.
var errAddress = errors.New("an address is refused")

// mailError tells how far a mail got: it is the server's once that has confirmed its end.
func mailError(err error) error {
	var failed *mail.SendError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return &Error{Temporary: true, Text: err.Error()}
	case failed.Reason == mail.ErrSMTPReset: // behind the end
		return nil
	}
	var cause error
	if failed.Reason == mail.ErrSMTPRcptTo {
		cause = errAddress
	}
	return &Error{
		NotTaken:  failed.Reason != mail.ErrSMTPDataClose || failed.ErrorCode() != 0,
		Temporary: failed.ErrorCode()/100 != 5,
		Text:      failed.Error(),
		cause:     cause,
	}
}

// refusedForGood tells an answer of the server, such as to a wrong password, that would be the
// same the next time; asking again could lock the account.
func refusedForGood(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code/100 == 5
}
