package pbsm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// PAR is a pre-authenticated request: a URL that permits whoever has it to read or write a file. However it is printed,
// logged or encoded, it shows only its host. The zero PAR has no URL.
type PAR struct {
	url *string // a pointer, so that printing a struct around it by reflection shows an address
}

// hostPattern makes sure that the host, which is displayed, contains nothing else.
var hostPattern = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)

// NewPAR accepts a URL that [httpx.IsSafe]. It removes line breaks in it, as browsers do. Its errors do not repeat the URL.
func NewPAR(raw string) (PAR, error) {
	raw = strings.TrimSpace(strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(raw))
	if raw == "" {
		return PAR{}, errors.New("there is no pre-authenticated URL")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return PAR{}, errors.New("the pre-authenticated URL cannot be parsed")
	case !httpx.IsSafe(u) || !hostPattern.MatchString(u.Host):
		return PAR{}, errors.New("the pre-authenticated URL is not an https URL with a host")
	case u.User != nil:
		return PAR{}, errors.New("the pre-authenticated URL must not contain a user")
	}
	return PAR{url: &raw}, nil
}

// Expose returns the URL itself, a secret: use it and do not keep it.
func (p PAR) Expose() string {
	if p.url == nil {
		return ""
	}
	return *p.url
}

// String shows the host only.
func (p PAR) String() string {
	u, err := url.Parse(p.Expose())
	if err != nil || p.url == nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/[PAR]"
}

// Format shows the host only, under every verb.
func (p PAR) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// LogValue shows the host only.
func (p PAR) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText shows the host only; MarshalJSON follows from it.
func (p PAR) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
