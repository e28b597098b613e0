package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// tls is the TLS configuration of a channel: the system's authorities and those of its own.
func (c Channel) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", c.CAFile)
	}
	config.RootCAs = pool
	return config, nil
}

const redacted = "[redacted]"

// scrubbed is an error without any part of the channel's URL but its host.
func scrubbed(err error, secret string) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Text: err.Error()}
	}
	clean := *e
	for _, part := range secretParts(secret) {
		clean.Text = strings.ReplaceAll(clean.Text, part, redacted)
	}
	return &clean
}

// minSecret is the length below which a part of a URL, such as "/", hides nothing.
const minSecret = 6

func secretParts(secret string) []string {
	parts := []string{secret}
	if u, err := url.Parse(secret); err == nil {
		password, _ := u.User.Password()
		_, escaped, _ := strings.Cut(u.User.String(), ":")
		parts = append(parts, u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery, password, escaped)
		parts = append(parts, strings.Split(u.Path, "/")...)
	}
	var long []string
	for _, part := range parts {
		if len(part) >= minSecret {
			long = append(long, part)
		}
	}
	return long
}
