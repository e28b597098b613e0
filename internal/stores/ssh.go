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
)

const (
	sshTimeout   = 30 * time.Second // for a connection to stand
	sshKeepalive = 15 * time.Second // between two signs of life; one that is not answered before the next ends the connection
)

// session is a connection to an SFTP server.
type session struct {
	*sftp.Client
	conn *ssh.Client
	lost chan struct{} // closed when the connection is gone
}

// close ends the connection, and with it what runs over it: to take leave of a server that does
// not answer would take for ever.
func (s *session) close() error {
	if err := s.conn.Close(); !errors.Is(err, net.ErrClosed) { // it may have been ended before, and not be known as lost yet
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

func newDialer(u *url.URL, p Settings) (*dialer, error) {
	check, err := knownHost(p)
	if err != nil {
		return nil, err
	}
	d := &dialer{address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22")), host: check}
	d.config = ssh.ClientConfig{User: u.User.Username(), HostKeyCallback: check.callback}
	key, err := signer(p)
	if err != nil {
		return nil, err
	}
	if key != nil {
		d.config.Auth = append(d.config.Auth, ssh.PublicKeys(key))
	}
	if p.Password != "" {
		d.config.Auth = append(d.config.Auth, ssh.Password(p.Password), ssh.KeyboardInteractive(answering(p.Password)))
	}
	return d, nil
}

// answering answers what is asked without an echo; that is how some servers ask for the password.
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

// keepAlive ends a connection that has died without a word, so that nothing waits on it for ever.
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

func explained(address string, err error) error {
	var unknown *knownhosts.KeyError
	switch {
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return fmt.Errorf("the server %s is not in known_hosts: add its line once you have compared its key: %w", address, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the server %s shows another key than the one in known_hosts: somebody may stand in between: %w", address, err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		// To try it again and again would lock the user out.
		return fmt.Errorf("the server %s does not accept the user with this key or password: %w: %w", address, fs.ErrPermission, err)
	}
	return err
}

// signer is the key of a place; nil where it has none.
func signer(p Settings) (ssh.Signer, error) {
	if p.KeyFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(p.KeyFile)
	if err != nil {
		return nil, err
	}
	var key ssh.Signer
	if p.KeyPassphrase != "" {
		key, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(p.KeyPassphrase))
	} else {
		key, err = ssh.ParsePrivateKey(text)
	}
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%s is locked: give its key_passphrase", p.KeyFile)
	case err != nil:
		return nil, fmt.Errorf("%s holds no private key that can be read: %w", p.KeyFile, err)
	}
	return key, nil
}

// hostCheck knows the server.
type hostCheck struct {
	callback ssh.HostKeyCallback
	// algorithms are those that the server may prove itself with; empty: any.
	algorithms func(address string, remote net.Addr) []string
}

func knownHost(p Settings) (hostCheck, error) {
	if p.Fingerprint != "" {
		return byFingerprint(p.Fingerprint)
	}
	if p.KnownHosts == "" {
		return hostCheck{}, nil
	}
	callback, err := knownhosts.New(p.KnownHosts)
	if err != nil {
		return hostCheck{}, err
	}
	return hostCheck{callback, func(address string, remote net.Addr) []string { return knownAlgorithms(callback, address, remote) }}, nil
}

// preferred is OpenSSH's order, so that the fingerprint that its tools show is the one that is met.
var preferred = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

func byFingerprint(want string) (hostCheck, error) {
	if !strings.HasPrefix(want, "SHA256:") || len(want) != len("SHA256:")+43 {
		return hostCheck{}, fmt.Errorf("%q is not a fingerprint such as SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8", want)
	}
	callback := func(host string, _ net.Addr, key ssh.PublicKey) error {
		if shown := ssh.FingerprintSHA256(key); shown != want {
			return fmt.Errorf("the server %s shows the %s key %s, not %s: somebody may stand in between", host, key.Type(), shown, want)
		}
		return nil
	}
	return hostCheck{callback, func(string, net.Addr) []string { return preferred }}, nil
}

// knownAlgorithms asks for the kinds of keys that known_hosts has for a server: else the server
// would show another one of its keys, and be taken for a stranger.
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

// noKey is a key that nobody has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
