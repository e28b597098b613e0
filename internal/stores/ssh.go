package stores

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const (
	sshTimeout   = 30 * time.Second // to connect
	sshKeepalive = 15 * time.Second // between two keepalives; one without a reply before the next ends the connection
)

// session is a connection to an SFTP server.
type session struct {
	*sftp.Client
	conn *ssh.Client
	lost chan struct{} // closed when the connection is gone
}

// close closes the connection, and with it what runs over it: a server that does not respond would never
// confirm the end of the session.
func (s *session) close() error {
	if err := s.conn.Close(); !errors.Is(err, net.ErrClosed) { // it may be closed without being known as lost yet
		return err
	}
	return nil
}

func (s *session) isLost() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// dialer logs in to one server as one user.
type dialer struct {
	address string
	config  ssh.ClientConfig
	host    hostCheck
}

func newDialer(u *url.URL, s Settings) (*dialer, error) {
	check, err := knownHost(s)
	if err != nil {
		return nil, err
	}
	d := &dialer{address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22")), host: check}
	d.config = ssh.ClientConfig{User: u.User.Username(), HostKeyCallback: check.callback}
	d.config.KeyExchanges = ssh.SupportedAlgorithms().KeyExchanges // group exchange is not among the default ones
	key, err := signer(s)
	if err != nil {
		return nil, err
	}
	if key != nil {
		d.config.Auth = append(d.config.Auth, ssh.PublicKeys(key))
	}
	if s.Password != "" {
		d.config.Auth = append(d.config.Auth,
			ssh.Password(s.Password), ssh.KeyboardInteractive(answering(s.Password)))
	}
	return d, nil
}

// answering answers questions without an echo with the password, which is how some servers ask for it.
func answering(password string) ssh.KeyboardInteractiveChallenge {
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if echos[i] {
				return nil, errors.New("the server asks for more than a password")
			}
			answers[i] = password
		}
		return answers, nil
	}
}

func (d *dialer) dial(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, sshTimeout)
	defer cancel()
	client, err := d.connect(ctx, nil)
	// A fingerprint does not say of which kind its key is: the server may have several.
	var refused []error
	var other *otherKey
	for tried := []string(nil); errors.As(err, &other) && len(tried) < len(preferred); {
		refused, tried = append(refused, err), append(tried, algorithmsOf(other.key)...)
		client, err = d.connect(ctx, tried)
	}
	var negotiation *ssh.AlgorithmNegotiationError
	if len(refused) > 0 && (errors.As(err, &negotiation) || errors.As(err, &other)) { // it has no further keys
		err = &HandshakeError{errors.Join(refused...)}
	}
	if err != nil {
		return nil, err
	}
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server %s does not speak SFTP: %w", d.address, err), client.Close())
	}
	s := &session{Client: files, conn: client, lost: make(chan struct{})}
	go func() {
		_ = files.Wait()
		close(s.lost)
	}()
	go s.keepAlive()
	return s, nil
}

// connect logs in. except are the algorithms of host keys that are not wanted.
func (d *dialer) connect(ctx context.Context, except []string) (*ssh.Client, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	config := d.config
	config.HostKeyAlgorithms = slices.DeleteFunc(d.host.algorithms(d.address, raw.RemoteAddr()), func(a string) bool {
		return slices.Contains(except, a)
	})
	conn, channels, requests, err := ssh.NewClientConn(raw, d.address, &config)
	if err != nil {
		return nil, errors.Join(explained(d.address, err), raw.Close())
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// keepAlive closes a connection that was lost without notice, so that nothing waits for it forever.
func (s *session) keepAlive() {
	tick := time.NewTicker(sshKeepalive)
	defer tick.Stop()
	answered := make(chan error, 1)
	answered <- nil
	for {
		select {
		case <-s.lost:
			return
		case <-tick.C:
		}
		select {
		case err := <-answered:
			if err == nil {
				go func() {
					_, _, err := s.conn.SendRequest("keepalive@openssh.com", true, nil)
					answered <- err
				}()
				continue
			}
		default:
		}
		_ = s.conn.Close()
		return
	}
}

// HandshakeError is of a server that this program cannot agree with, or does not trust. It stays so until somebody
// changes the server, or what is known of it.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return e.Err.Error() }

func (e *HandshakeError) Unwrap() error { return e.Err }

// explained adds what an operator can do.
func explained(address string, err error) error {
	var (
		unknown     *knownhosts.KeyError
		negotiation *ssh.AlgorithmNegotiationError
	)
	switch {
	case errors.As(err, &negotiation):
		return handshakeError("the server %s offers for the %s only %s, wanted is one of %s: change the server, or, for the "+
			"host key, known_hosts: %w", address, negotiation.What, strings.Join(negotiation.RequestedAlgorithms, ", "),
			strings.Join(negotiation.SupportedAlgorithms, ", "), err)
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return handshakeError("the server %s is not in known_hosts: compare its key, then add its line: %w", address, err)
	case errors.As(err, &unknown):
		return handshakeError("the server %s has another key than the one in known_hosts (%s): "+
			"the connection may be intercepted: %w", address, wanted(unknown), err)
	case strings.Contains(err.Error(), "no authorities for hostname"):
		return handshakeError("the certificate of the server %s is signed by none of its authorities in known_hosts: %w", address, err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		// Not retried: that would lock the user out.
		return fmt.Errorf("the server %s does not accept the user with this key or password: %w: %w",
			address, fs.ErrPermission, err)
	}
	return err
}

func handshakeError(format string, args ...any) error {
	return &HandshakeError{fmt.Errorf(format, args...)}
}

func wanted(e *knownhosts.KeyError) string {
	var keys []string
	for _, known := range e.Want {
		keys = append(keys, fmt.Sprintf("line %d: %s %s", known.Line, known.Key.Type(), ssh.FingerprintSHA256(known.Key)))
	}
	return strings.Join(keys, ", ")
}

// signer returns the key of the settings; nil when they have none.
func signer(s Settings) (ssh.Signer, error) {
	if s.KeyFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.KeyFile)
	if err != nil {
		return nil, err
	}
	var key ssh.Signer
	if s.KeyPassphrase != "" {
		key, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(s.KeyPassphrase))
	} else {
		key, err = ssh.ParsePrivateKey(text)
	}
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%s is encrypted: set key_passphrase", s.KeyFile)
	case err != nil:
		return nil, fmt.Errorf("%s contains no readable private key: %w", s.KeyFile, cmp.Or(problem.Text(text), err))
	}
	return key, nil
}

// hostCheck verifies the server.
type hostCheck struct {
	callback ssh.HostKeyCallback
	// algorithms returns those that the server may identify itself with; empty: any.
	algorithms func(address string, remote net.Addr) []string
}

func knownHost(s Settings) (hostCheck, error) {
	if s.Fingerprint != "" {
		return byFingerprint(s.Fingerprint)
	}
	if s.KnownHosts == "" {
		return hostCheck{}, nil
	}
	known, err := knownhosts.New(s.KnownHosts)
	if err != nil {
		return hostCheck{}, err
	}
	text, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		return hostCheck{}, err
	}
	lines := strings.Split(string(text), "\n")
	algorithms := func(address string, remote net.Addr) []string {
		return knownAlgorithms(known, lines, address, remote)
	}
	callback := func(host string, remote net.Addr, key ssh.PublicKey) error {
		if err := known(host, remote, key); err != nil {
			return fmt.Errorf("its %s key is %s: %w", key.Type(), ssh.FingerprintSHA256(key), err)
		}
		return nil
	}
	return hostCheck{callback, algorithms}, nil
}

// certified are the algorithms of host certificates, in the same order.
var certified = []string{
	ssh.CertAlgoED25519v01,
	ssh.CertAlgoECDSA256v01,
	ssh.CertAlgoECDSA384v01,
	ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01,
	ssh.CertAlgoRSASHA256v01,
}

// algorithmsOf returns those with which a server identifies itself by a key.
func algorithmsOf(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}

// otherKey is the error of a server that has another key than the one with the fingerprint.
type otherKey struct {
	key        ssh.PublicKey
	host, want string
}

func (e *otherKey) Error() string {
	return fmt.Sprintf("the server %s has the %s key %s, not %s: the connection may be intercepted",
		e.host, e.key.Type(), ssh.FingerprintSHA256(e.key), e.want)
}

// preferred is OpenSSH's order, so that the server presents the key whose fingerprint OpenSSH's tools show.
var preferred = []string{
	ssh.KeyAlgoED25519,
	ssh.KeyAlgoECDSA256,
	ssh.KeyAlgoECDSA384,
	ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512,
	ssh.KeyAlgoRSASHA256,
}

func byFingerprint(want string) (hostCheck, error) {
	if !strings.HasPrefix(want, "SHA256:") || len(want) != len("SHA256:")+43 {
		return hostCheck{}, fmt.Errorf(
			"%q is not a fingerprint such as SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8", want)
	}
	callback := func(host string, _ net.Addr, key ssh.PublicKey) error {
		if ssh.FingerprintSHA256(key) != want {
			return &otherKey{key, host, want}
		}
		return nil
	}
	return hostCheck{callback, func(string, net.Addr) []string { return slices.Clone(preferred) }}, nil
}

// knownAlgorithms returns the kinds of keys that known_hosts has for a server; those of certificates first, if it has an
// authority for it. Otherwise the server might present another one of its keys, which is unknown.
func knownAlgorithms(callback ssh.HostKeyCallback, lines []string, address string, remote net.Addr) []string {
	var known *knownhosts.KeyError
	if !errors.As(callback(address, remote, noKey{}), &known) {
		return nil
	}
	var authority bool
	var plain, algorithms []string
	for _, key := range known.Want {
		if strings.HasPrefix(strings.TrimSpace(lines[key.Line-1]), "@cert-authority") {
			authority = true
			continue
		}
		plain = append(plain, algorithmsOf(key.Key)...)
	}
	if authority {
		algorithms = slices.Clone(certified)
	}
	for _, algorithm := range preferred {
		if slices.Contains(plain, algorithm) {
			algorithms = append(algorithms, algorithm)
		}
	}
	return algorithms
}

// noKey matches no key in known_hosts.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
