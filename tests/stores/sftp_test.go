package stores

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/stores/storestest"
	"github.com/pbsmflow/pbsmflow/tests/harness"
)

// openssh is an OpenSSH server on a free port, for the user who runs the test.
type openssh struct {
	dir, port, user string
}

func startOpenSSH(t *testing.T) *openssh {
	t.Helper()
	return startOpenSSHWith(t, func(*openssh) string { return "" })
}

// startOpenSSHWith starts a server with further lines of its configuration.
func startOpenSSHWith(t *testing.T, more func(s *openssh) string) *openssh {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/sshd")
	}
	require.NoError(t, err, "install OpenSSH's server and tools first: apt-get install openssh-server openssh-client")
	me, err := user.Current()
	require.NoError(t, err)
	s := &openssh{dir: t.TempDir(), port: strconv.Itoa(harness.FreePort(t)), user: me.Username}
	if os.Geteuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // required if the server runs as root
	}
	for _, key := range []struct{ name, kind string }{{"host_rsa", "rsa"}, {"host_ecdsa", "ecdsa"}, {"host_ed25519", "ed25519"}, {"me", "ed25519"}} {
		s.keygen(t, "-q", "-N", "", "-t", key.kind, "-f", filepath.Join(s.dir, key.name))
	}
	public, err := os.ReadFile(filepath.Join(s.dir, "me.pub"))
	require.NoError(t, err)
	s.write(t, "authorized_keys", string(public))
	s.write(t, "config", fmt.Sprintf(`
ListenAddress 127.0.0.1:%s
HostKey %[2]s/host_rsa
HostKey %[2]s/host_ecdsa
HostKey %[2]s/host_ed25519
AuthorizedKeysFile %[2]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
`, s.port, s.dir)+more(s))
	run(t, exec.Command(program, "-D", "-e", "-f", filepath.Join(s.dir, "config")), "tcp", "127.0.0.1:"+s.port)
	return s
}

func (s *openssh) keygen(t *testing.T, args ...string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "ssh-keygen", args...).CombinedOutput()
	require.NoError(t, err, string(text))
	return string(text)
}

func (s *openssh) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// settings is a folder of the server; the caller says how the server is known.
func (s *openssh) settings(dir string) stores.Settings {
	return stores.Settings{URL: fmt.Sprintf("sftp://%s@127.0.0.1:%s%s", s.user, s.port, dir), KeyFile: filepath.Join(s.dir, "me")}
}

// known is a known_hosts file with one of the server's keys.
func (s *openssh) known(t *testing.T, key string) string {
	t.Helper()
	public, err := os.ReadFile(filepath.Join(s.dir, key+".pub"))
	require.NoError(t, err)
	return s.write(t, "known_"+key, fmt.Sprintf("[127.0.0.1]:%s %s", s.port, public))
}

func (s *openssh) fingerprint(t *testing.T, key string) string {
	t.Helper()
	return strings.Fields(s.keygen(t, "-l", "-f", filepath.Join(s.dir, key+".pub")))[1]
}

func TestOpenSSH_conformance(t *testing.T) {
	server := startOpenSSH(t)
	dir := t.TempDir()
	settings := server.settings(dir)
	settings.KnownHosts = server.known(t, "host_ecdsa")
	storestest.Run(t, open(t, settings), "s")
	t.Run("large file resumed", func(t *testing.T) {
		storestest.Resume(t, func() *stores.Stores { return open(t, settings) }, "s", 100<<10, func() {
			left, err := filepath.Glob(filepath.Join(dir, "resume", ".*.part"))
			require.NoError(t, err)
			require.Len(t, left, 1)
			require.NoError(t, os.WriteFile(left[0], make([]byte, 1<<20), 0o600))
		})
	})

	t.Run("no leftovers", func(t *testing.T) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			assert.False(t, strings.HasPrefix(d.Name(), "."), path)
			return err
		}))
	})
	for _, key := range []string{"host_rsa", "host_ecdsa", "host_ed25519"} {
		t.Run("known "+key, func(t *testing.T) {
			settings := server.settings(dir)
			settings.KnownHosts = server.known(t, key)
			require.NoError(t, open(t, settings).Check(t.Context(), "s"))
		})
	}
	t.Run("fingerprint", func(t *testing.T) {
		settings := server.settings(dir)
		settings.Fingerprint = server.fingerprint(t, "host_ed25519")
		require.NoError(t, open(t, settings).Check(t.Context(), "s"))
	})
	t.Run("wrong fingerprint", func(t *testing.T) {
		settings := server.settings(dir)
		settings.Fingerprint = server.fingerprint(t, "me")
		require.ErrorContains(t, open(t, settings).Check(t.Context(), "s"), server.fingerprint(t, "host_ed25519"))
	})
	t.Run("unauthorized key", func(t *testing.T) {
		settings := server.settings(dir)
		settings.KeyFile = filepath.Join(server.dir, "host_rsa")
		settings.KnownHosts = server.known(t, "host_rsa")
		require.ErrorContains(t, open(t, settings).Check(t.Context(), "s"), "does not accept the user")
	})
	t.Run("missing folder", func(t *testing.T) {
		settings := server.settings(filepath.Join(dir, "nowhere"))
		settings.KnownHosts = server.known(t, "host_rsa")
		require.ErrorIs(t, open(t, settings).Check(t.Context(), "s"), os.ErrNotExist)
	})
}

func TestOpenSSH_situations(t *testing.T) {
	dir := t.TempDir()
	check := func(t *testing.T, settings stores.Settings) error { return open(t, settings).Check(t.Context(), "s") }
	for _, exchange := range []string{"diffie-hellman-group-exchange-sha256", "curve25519-sha256", "diffie-hellman-group14-sha256"} {
		t.Run(exchange, func(t *testing.T) {
			server := startOpenSSHWith(t, func(*openssh) string { return "KexAlgorithms " + exchange + "\n" })
			settings := server.settings(dir)
			settings.KnownHosts = server.known(t, "host_ed25519")
			require.NoError(t, check(t, settings))
		})
	}
	t.Run("nothing in common", func(t *testing.T) {
		server := startOpenSSHWith(t, func(*openssh) string { return "KexAlgorithms diffie-hellman-group1-sha1\n" })
		settings := server.settings(dir)
		settings.KnownHosts = server.known(t, "host_ed25519")
		err := check(t, settings)
		require.ErrorContains(t, err, "offers for the key exchange only diffie-hellman-group1-sha1")
		require.ErrorContains(t, err, "wanted is one of ")
	})
	t.Run("fingerprint of any key", func(t *testing.T) {
		server := startOpenSSH(t)
		for _, key := range []string{"host_rsa", "host_ecdsa", "host_ed25519"} {
			settings := server.settings(dir)
			settings.Fingerprint = server.fingerprint(t, key)
			require.NoError(t, check(t, settings), key)
		}
		settings := server.settings(dir)
		settings.Fingerprint = server.fingerprint(t, "me")
		err := check(t, settings)
		for _, key := range []string{"host_rsa", "host_ecdsa", "host_ed25519"} {
			require.ErrorContains(t, err, server.fingerprint(t, key))
		}
	})
	t.Run("two keys of a kind are known", func(t *testing.T) {
		server := startOpenSSH(t)
		old, err := os.ReadFile(filepath.Join(server.dir, "me.pub"))
		require.NoError(t, err)
		now, err := os.ReadFile(server.known(t, "host_ed25519"))
		require.NoError(t, err)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", fmt.Sprintf("[127.0.0.1]:%s %s%s", server.port, old, now))
		require.NoError(t, check(t, settings))
	})
	t.Run("another key is known", func(t *testing.T) {
		server := startOpenSSH(t)
		other, err := os.ReadFile(filepath.Join(server.dir, "me.pub"))
		require.NoError(t, err)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", fmt.Sprintf("[127.0.0.1]:%s %s", server.port, other))
		err = check(t, settings)
		require.ErrorContains(t, err, server.fingerprint(t, "me"), "wanted")
		require.ErrorContains(t, err, server.fingerprint(t, "host_ed25519"), "offered")
	})
	certified := func(t *testing.T) *openssh {
		return startOpenSSHWith(t, func(s *openssh) string {
			s.keygen(t, "-q", "-N", "", "-t", "ed25519", "-f", filepath.Join(s.dir, "authority"))
			s.keygen(t, "-q", "-s", filepath.Join(s.dir, "authority"), "-I", "host", "-h", "-n", "127.0.0.1", filepath.Join(s.dir, "host_ecdsa.pub"))
			return "HostCertificate " + filepath.Join(s.dir, "host_ecdsa-cert.pub") + "\n"
		})
	}
	authority := func(t *testing.T, s *openssh, key string) string {
		public, err := os.ReadFile(filepath.Join(s.dir, key+".pub"))
		require.NoError(t, err)
		return fmt.Sprintf("@cert-authority [127.0.0.1]:%s %s", s.port, public)
	}
	t.Run("certificate", func(t *testing.T) {
		server := certified(t)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", "# authorities\n"+authority(t, server, "authority"))
		require.NoError(t, check(t, settings))
	})
	t.Run("certificate of another authority", func(t *testing.T) {
		server := certified(t)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", authority(t, server, "me"))
		require.ErrorContains(t, check(t, settings), "is signed by none of its authorities in known_hosts")
	})
	t.Run("certificate is wanted, key is known", func(t *testing.T) {
		server := startOpenSSH(t)
		known, err := os.ReadFile(server.known(t, "host_ed25519"))
		require.NoError(t, err)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", authority(t, server, "me")+string(known))
		require.NoError(t, check(t, settings))
	})
	t.Run("certificate is wanted", func(t *testing.T) {
		server := startOpenSSH(t)
		settings := server.settings(dir)
		settings.KnownHosts = server.write(t, "known", authority(t, server, "me"))
		require.ErrorContains(t, check(t, settings), "offers for the host key only rsa-sha2-512, rsa-sha2-256")
	})
}
