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
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	config := d.config
	config.HostKeyAlgorithms = d.host.algorithms(d.address, raw.RemoteAddr())
	conn, channels, requests, err := ssh.NewClientConn(raw, d.address, &config)
	if err != nil {
		return nil, errors.Join(explained(d.address, err), raw.Close())
	}
	client := ssh.NewClient(conn, channels, requests)
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

// explained adds what an operator can do.
func explained(address string, err error) error {
	var unknown *knownhosts.KeyError
	switch {
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return fmt.Errorf("the server %s is not in known_hosts: compare its key, then add its line: %w", address, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the server %s has another key than the one in known_hosts: "+
			"the connection may be intercepted: %w", address, err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		// Not retried: that would lock the user out.
		return fmt.Errorf("the server %s does not accept the user with this key or password: %w: %w",
			address, fs.ErrPermission, err)
	}
	return err
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
	callback, err := knownhosts.New(s.KnownHosts)
	if err != nil {
		return hostCheck{}, err
	}
	algorithms := func(address string, remote net.Addr) []string {
		return knownAlgorithms(callback, address, remote)
	}
	return hostCheck{callback, algorithms}, nil
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
		if shown := ssh.FingerprintSHA256(key); shown != want {
			return fmt.Errorf("the server %s has the %s key %s, not %s: the connection may be intercepted",
				host, key.Type(), shown, want)
		}
		return nil
	}
	return hostCheck{callback, func(string, net.Addr) []string { return preferred }}, nil
}

// knownAlgorithms returns the kinds of keys that known_hosts has for a server. Otherwise the server might
// present another one of its keys, which is unknown.
func knownAlgorithms(callback ssh.HostKeyCallback, address string, remote net.Addr) []string {
	var known *knownhosts.KeyError
	if !errors.As(callback(address, remote, noKey{}), &known) {
		return nil
	}
	var algorithms []string
	for _, algorithm := range preferred {
		for _, key := range known.Want {
			if key.Key.Type() == algorithm || key.Key.Type() == ssh.KeyAlgoRSA && strings.HasPrefix(algorithm, "rsa-") {
				algorithms = append(algorithms, algorithm)
				break
			}
		}
	}
	return algorithms
}

// noKey matches no key in known_hosts.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
