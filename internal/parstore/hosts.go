package parstore

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9*]([A-Za-z0-9*.-]*[A-Za-z0-9*])?(:([0-9]{1,5}|\*))?$`)

// CheckHostPattern checks an allowed host, such as objectstorage.*.oraclecloud.com or 127.0.0.1:8443.
// A "*" stands for any characters but dots; without a port, every port is allowed.
func CheckHostPattern(pattern string) error {
	if !hostPattern.MatchString(pattern) {
		return fmt.Errorf("%q is not a host; an example is objectstorage.*.oraclecloud.com", pattern)
	}
	return nil
}

// compileHosts compiles the patterns into one expression for host:port.
func compileHosts(patterns []string) (*regexp.Regexp, error) {
	if len(patterns) == 0 {
		return nil, errors.New("no host is allowed; add at least one")
	}
	var alternatives []string
	for _, pattern := range patterns {
		if err := CheckHostPattern(pattern); err != nil {
			return nil, err
		}
		host, port, ok := strings.Cut(pattern, ":")
		if !ok {
			port = "*"
		}
		quoted := regexp.QuoteMeta(host + ":" + port)
		alternatives = append(alternatives, strings.ReplaceAll(quoted, `\*`, `[^.:]*`))
	}
	return regexp.Compile(`(?i)^(?:` + strings.Join(alternatives, "|") + `)$`)
}

var ports = map[string]string{"https": "443", "http": "80"}

// target parses a pre-authenticated URL and refuses one that must not be used. Its errors contain at most
// the host.
func (c *Client) target(parURL string) (*url.URL, error) {
	u, err := url.Parse(parURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the service did not return a URL")
	}
	if !httpx.IsSafe(u) {
		return nil, fmt.Errorf("the URL's scheme is %q; only https is allowed", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("the URL contains a user, which a pre-authenticated URL never does")
	}
	if !c.hosts.MatchString(u.Hostname() + ":" + cmp.Or(u.Port(), ports[u.Scheme])) {
		return nil, fmt.Errorf("the host %s is not allowed; "+
			"add it to the connection's par_hosts if it is your tenant's object storage", u.Host)
	}
	return u, nil
}
