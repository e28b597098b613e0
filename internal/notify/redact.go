package notify

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

const redaction = "[redacted]"

// redacted returns an *Error without any part of the channel's URL but its host.
func redacted(err error, secret string) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Text: err.Error()}
	}
	clean := *e
	for _, part := range secretParts(secret) {
		clean.Text = strings.ReplaceAll(clean.Text, part, redaction)
	}
	return &clean
}

// minSecret is the length from which a part of a URL is a secret: to remove "/" would hide nothing.
const minSecret = 6

func secretParts(secret string) []string {
	parts := []string{secret}
	if u, err := url.Parse(secret); err == nil {
		password, _ := u.User.Password()
		_, escaped, _ := strings.Cut(u.User.String(), ":")
		parts = append(parts, u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery, password, escaped)
		parts = append(parts, strings.Split(u.Path, "/")...)
	}
	return slices.DeleteFunc(parts, func(part string) bool { return len(part) < minSecret })
}
