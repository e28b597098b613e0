package httpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// IsLoopback reports whether a host, without its port, is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsSafe reports whether what is sent to a URL cannot be read on the way: it is https, or does not leave this machine, as
// with a simulator.
func IsSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
}

// CheckURL wants a URL that [IsSafe], without user, query and fragment. Its errors do not repeat the URL, which may hold
// credentials.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("is missing")
	case err != nil:
		return errors.New("is not a URL")
	case !IsSafe(u):
		return errors.New("must start with https://")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("must not contain a user or a password")
	case strings.ContainsAny(text, "?#"):
		return errors.New("must not have a query or a fragment")
	}
	return nil
}

// HeaderName is the form of a header's name.
var HeaderName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// CheckHeaderValue wants a text that can be sent as a header. Its errors do not repeat the value,
// which may be a secret.
func CheckHeaderValue(value string) error {
	switch {
	case value == "":
		return errors.New("is missing")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("must not contain control characters")
	case strings.TrimSpace(value) != value:
		return errors.New("must not start or end with a space")
	}
	return nil
}

// CheckHealth wants the answer 200 from a health page.
func CheckHealth(ctx context.Context, page string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", page, response.Status)
	}
	return nil
}
