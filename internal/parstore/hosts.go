package parstore

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9*]([A-Za-z0-9*.-]*[A-Za-z0-9*])?(:([0-9]{1,5}|\*))?$`)

// CheckHostPattern checks one entry of the hosts that may be sent to, such as
// objectstorage.*.oraclecloud.com or 127.0.0.1:8443. A "*" stands for any
// characters but dots; without a port, every port is allowed.
func CheckHostPattern(pattern string) error {
	if !hostPattern.MatchString(pattern) {
		return fmt.Errorf("%q is not a host; write for example objectstorage.*.oraclecloud.com", pattern)
	}
	return nil
}

// compileHosts makes one expression of patterns, for host:port.
func compileHosts(patterns []string) (*regexp.Regexp, error) {
	if len(patterns) == 0 {
		return nil, errors.New("no host is allowed; name at least one")
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

// target parses a pre-authenticated URL and refuses what must not be sent to.
// Its errors hold the host at most.
func (c *Client) target(parURL string) (*url.URL, error) {
	u, err := url.Parse(parURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the service's answer is not a URL")
	}
	if u.Scheme != "https" {
		return nil, fmt.Errorf("the URL's scheme is %q; only https is used", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("the URL holds a user, which a pre-authenticated URL never does")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	if !c.hosts.MatchString(u.Hostname() + ":" + port) {
		return nil, fmt.Errorf("the host %s is not allowed; add it to the connection's par_hosts if it is your tenant's object storage", u.Host)
	}
	return u, nil
}
