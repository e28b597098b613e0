package doctor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// chain is what a server presented, trusted or not: its own certificate first.
type chain struct {
	host  string
	certs []*x509.Certificate
}

const fetchTimeout = 15 * time.Second

var errSeen = errors.New("the certificates were received; nothing is sent")

// fetchChain makes a TLS handshake with the server of an https URL, through the proxy of the environment, and
// disconnects before it sends anything.
func fetchChain(ctx context.Context, rawURL string) (chain, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return chain{}, errors.New("not an https URL")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	seen := chain{host: u.Hostname()}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, //nolint:gosec // fetching what is not trusted is the purpose; verify checks it
			VerifyConnection: func(state tls.ConnectionState) error {
				seen.certs = state.PeerCertificates
				return errSeen
			},
		},
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, rawURL, nil)
	if err != nil {
		return chain{}, err
	}
	response, err := transport.RoundTrip(request)
	if response != nil {
		_ = response.Body.Close()
	}
	if len(seen.certs) > 0 && errors.Is(err, errSeen) {
		return seen, nil
	}
	if err == nil {
		err = errors.New("the server presented no certificate")
	}
	return chain{}, err
}

// verify checks that the chain is trusted for its host by the system's authorities and those of caFile,
// which may be empty.
func (c chain) verify(caFile string, now time.Time) error {
	roots, err := httpx.Roots(caFile)
	if err != nil {
		return fmt.Errorf("ca_file: %w", err)
	}
	intermediates := x509.NewCertPool()
	for _, cert := range c.certs[1:] {
		intermediates.AddCert(cert)
	}
	_, err = c.certs[0].Verify(x509.VerifyOptions{
		DNSName:       c.host,
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
	})
	return err
}

// soon is how long before its expiry a certificate gets a warning.
const soon = 30 * 24 * time.Hour

// facts describes the chain, one line for each certificate: subject, issuer, expiry.
func (c chain) facts(now time.Time) []string {
	var lines []string
	for i, cert := range c.certs {
		line := fmt.Sprintf("%d %s", i, subject(cert))
		if issuer := cert.Issuer.String(); issuer != cert.Subject.String() {
			line += ", issued by " + issuer
		} else {
			line += ", self-signed"
		}
		line += ", until " + cert.NotAfter.UTC().Format(time.DateOnly)
		switch rest := cert.NotAfter.Sub(now); {
		case rest < 0:
			line += " (EXPIRED)"
		case rest < soon:
			line += fmt.Sprintf(" (in %d days: renew)", rest/(24*time.Hour))
		}
		lines = append(lines, line)
	}
	return lines
}

// fingerprints lists the SHA-256 of each certificate, as openssl x509 -fingerprint prints it.
func (c chain) fingerprints() []string {
	var lines []string
	for i, cert := range c.certs {
		sum := sha256.Sum256(cert.Raw)
		pairs := make([]string, len(sum))
		for j, b := range sum {
			pairs[j] = fmt.Sprintf("%02X", b)
		}
		lines = append(lines, fmt.Sprintf("%d %s  SHA-256 %s", i, subject(cert), strings.Join(pairs, ":")))
	}
	return lines
}

// toPEM is the chain as a CA file.
func (c chain) toPEM() []byte {
	var out bytes.Buffer
	for _, cert := range c.certs {
		fmt.Fprintf(&out, "# %s\n", subject(cert))
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	return out.Bytes()
}

// subject is the subject without control characters, since anyone may have written it.
func subject(cert *x509.Certificate) string {
	text := cert.Subject.String()
	if text == "" {
		text = strings.Join(cert.DNSNames, ", ")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}
