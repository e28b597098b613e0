package stores_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// sftpServer is the Go implementation of the protocol, on its own port. The module tests has those against
// OpenSSH, which banks use.
type sftpServer struct {
	t        *testing.T
	listener net.Listener
	key      ssh.Signer
	user     ssh.Signer     // may log in
	handlers *sftp.Handlers // nil: the files of this machine
	conns    chan net.Conn
	logins   atomic.Int32
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open sesame"))
	require.NoError(t, err)
	return key, pem.EncodeToMemory(block)
}

func startSFTP(t *testing.T) *sftpServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	key, _ := newKey(t)
	s := &sftpServer{t: t, listener: listener, key: key, conns: make(chan net.Conn, 100)}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns <- conn
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sftpServer) serve(conn net.Conn) {
	config := &ssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err == nil && answers[0] == "secret" {
				return nil, nil
			}
			return nil, errors.New("no")
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if s.user != nil && string(key.Marshal()) == string(s.user.PublicKey().Marshal()) {
				return nil, nil
			}
			return nil, errors.New("no")
		},
	}
	config.AddHostKey(s.key)
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	s.logins.Add(1)
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		}()
		go func() {
			if s.handlers != nil {
				_ = sftp.NewRequestServer(channel, *s.handlers).Serve()
				return
			}
			server, err := sftp.NewServer(channel)
			if err == nil {
				_ = server.Serve()
			}
		}()
	}
}

func (s *sftpServer) url(dir string) string {
	return "sftp://closer@" + s.listener.Addr().String() + dir
}

func (s *sftpServer) fingerprint() string { return ssh.FingerprintSHA256(s.key.PublicKey()) }

func (s *sftpServer) knownHosts(key ssh.PublicKey) string {
	path := filepath.Join(s.t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{knownhosts.Normalize(s.listener.Addr().String())}, key)
	require.NoError(s.t, os.WriteFile(path, []byte(line+"\n"), 0o600))
	return path
}

func TestSFTP_verifiesTheServer(t *testing.T) {
	server := startSFTP(t)
	userKey, locked := newKey(t)
	server.user = userKey
	keyFile := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(keyFile, locked, 0o600))
	other, _ := newKey(t)
	url := server.url(t.TempDir())
	for name, c := range map[string]struct {
		settings stores.Settings
		want     string // empty: it works
	}{
		"fingerprint and password":   {stores.Settings{URL: url, Password: "secret", Fingerprint: server.fingerprint()}, ""},
		"known_hosts and key":        {stores.Settings{URL: url, KeyFile: keyFile, KeyPassphrase: "open sesame", KnownHosts: server.knownHosts(server.key.PublicKey())}, ""},
		"another fingerprint":        {stores.Settings{URL: url, Password: "secret", Fingerprint: ssh.FingerprintSHA256(other.PublicKey())}, server.fingerprint()},
		"another key in known_hosts": {stores.Settings{URL: url, Password: "secret", KnownHosts: server.knownHosts(other.PublicKey())}, "another key than the one in known_hosts"},
		"not in known_hosts":         {stores.Settings{URL: "sftp://closer@localhost:" + server.port() + "/", Password: "secret", KnownHosts: server.knownHosts(server.key.PublicKey())}, "is not in known_hosts"},
		"wrong password":             {stores.Settings{URL: url, Password: "wrong", Fingerprint: server.fingerprint()}, "does not accept the user"},
	} {
		t.Run(name, func(t *testing.T) {
			before := server.logins.Load()
			err := open(t, c.settings).Check(t.Context(), "s")
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret")
			require.Equal(t, name == "wrong password", errors.Is(err, fs.ErrPermission), "retries would lock the user out")
			var handshake *stores.HandshakeError
			require.Equal(t, name != "wrong password", errors.As(err, &handshake))
			require.Equal(t, before, server.logins.Load())
		})
	}
}

func (s *sftpServer) port() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}

func TestSFTP_reconnects(t *testing.T) {
	server := startSFTP(t)
	s := open(t, stores.Settings{URL: server.url(t.TempDir()), Password: "secret", Fingerprint: server.fingerprint()})
	w, err := s.Create(t.Context(), "s/x.csv")
	require.NoError(t, err)
	_, err = io.WriteString(w, "half")
	require.NoError(t, err)
	require.NoError(t, (<-server.conns).Close())
	require.Error(t, w.Commit())
	require.Eventually(t, func() bool { return s.Check(t.Context(), "s") == nil }, 5e9, 1e7)
	_, err = s.Stat(t.Context(), "s/x.csv")
	require.ErrorContains(t, err, "not exist")
}

// An attempt that Temporal has given up may still reach the server. It does not know that another one has taken over.
func TestSFTP_secondAttemptTakesNothingFromTheFirst(t *testing.T) {
	server, dir := startSFTP(t), t.TempDir()
	content := []byte("aaaabbbbcc")
	begin := func(t *testing.T) stores.Parts {
		s := open(t, stores.Settings{URL: server.url(dir), Password: "secret", Fingerprint: server.fingerprint()})
		p, err := s.Parts(t.Context(), "s/gl.dat", "key", nil)
		require.NoError(t, err)
		return p
	}
	write := func(t *testing.T, p stores.Parts, number int) {
		from := (number - 1) * 4
		require.NoError(t, p.WritePart(t.Context(), number, int64(from), content[from:min(from+4, len(content))]))
	}
	keep := func(t *testing.T, p stores.Parts) {
		sum := sha256.Sum256(content[:4])
		lost, err := p.Resume(t.Context(), 4, sum[:])
		require.NoError(t, err)
		require.Empty(t, lost)
	}
	committed := func(t *testing.T) string {
		text, err := os.ReadFile(filepath.Join(dir, "gl.dat"))
		require.NoError(t, err)
		return string(text)
	}
	t.Run("that resumes", func(t *testing.T) {
		first := begin(t)
		require.NoError(t, first.Reset(t.Context(), 3))
		write(t, first, 1)
		write(t, first, 2)
		keep(t, begin(t))
		write(t, first, 3)
		require.NoError(t, first.Commit())
		assert.Equal(t, string(content), committed(t))
	})
	t.Run("that starts over", func(t *testing.T) {
		first, second := begin(t), begin(t)
		require.NoError(t, first.Reset(t.Context(), 3))
		for number := range 3 {
			write(t, first, number+1)
		}
		require.NoError(t, os.Remove(filepath.Join(dir, "gl.dat")))
		require.NoError(t, second.Reset(t.Context(), 3))
		write(t, second, 1)
		require.ErrorContains(t, first.Commit(), "10 bytes were written, the server has 4")
		require.NoFileExists(t, filepath.Join(dir, "gl.dat"))
		write(t, second, 2)
		write(t, second, 3)
		require.NoError(t, second.Commit())
		assert.Equal(t, string(content), committed(t))
	})
	t.Run("of a file that was longer", func(t *testing.T) {
		longer := begin(t)
		require.NoError(t, longer.Reset(t.Context(), 1))
		require.NoError(t, longer.WritePart(t.Context(), 1, 0, []byte("aaaa and much more")))
		require.NoError(t, longer.Suspend())
		p := begin(t)
		keep(t, p)
		write(t, p, 2)
		write(t, p, 3)
		require.NoError(t, p.Commit())
		assert.Equal(t, string(content), committed(t))
	})
}

// plainSFTP removes all extensions of the servers until the test ends.
func plainSFTP(t *testing.T) {
	t.Helper()
	require.NoError(t, sftp.SetSFTPExtensions())
	t.Cleanup(func() {
		require.NoError(t, sftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com"))
	})
}

// fragile fails some calls.
type fragile struct {
	sftp.FileCmder
	fails func(method, file string) bool
}

func (f *fragile) Filecmd(r *sftp.Request) error {
	if f.fails != nil && f.fails(r.Method, r.Filepath) {
		return errors.New("disk trouble")
	}
	return f.FileCmder.Filecmd(r)
}

// startFragileSFTP keeps its files in memory, and its rename does not replace.
func startFragileSFTP(t *testing.T) (*sftpServer, *fragile) {
	t.Helper()
	plainSFTP(t)
	handlers := sftp.InMemHandler()
	disk := &fragile{FileCmder: handlers.FileCmd}
	handlers.FileCmd = disk
	server := startSFTP(t)
	server.handlers = &handlers
	return server, disk
}

// A file that seems to be missing while it is replaced would be begun anew, and its content lost.
func TestSFTP_failedReplacementLosesNothing(t *testing.T) {
	const ref = "s/audit.jsonl"
	write := func(t *testing.T, s *stores.Stores, text string) error {
		w, err := s.Create(t.Context(), ref)
		require.NoError(t, err)
		_, err = io.WriteString(w, text)
		require.NoError(t, err)
		return w.Commit()
	}
	read := func(t *testing.T, s *stores.Stores) string {
		r, err := s.Open(t.Context(), ref)
		require.NoError(t, err)
		defer r.Close()
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
	naming := func(method, file string) bool { return method == "Rename" && filepath.Ext(file) == ".part" }
	puttingBack := func(method, file string) bool { return method == "Rename" && filepath.Ext(file) == ".replaced" }
	begin := func(t *testing.T) (*stores.Stores, *fragile) {
		server, disk := startFragileSFTP(t)
		s := open(t, stores.Settings{URL: server.url("/"), Password: "secret", Fingerprint: server.fingerprint()})
		require.NoError(t, write(t, s, "old"))
		return s, disk
	}
	// cutOff is a worker that dies between the two renames.
	cutOff := func(t *testing.T) *stores.Stores {
		s, disk := begin(t)
		disk.fails = func(method, file string) bool { return naming(method, file) || puttingBack(method, file) }
		require.Error(t, write(t, s, "new"))
		for info, err := range s.List(t.Context(), "s/") {
			require.NoError(t, err)
			assert.True(t, info.Unfinished, info.Ref)
		}
		_, err := s.Open(t.Context(), ref)
		require.NotErrorIs(t, err, fs.ErrNotExist, "it exists, under another name")
		disk.fails = nil
		return s
	}
	t.Run("rename fails", func(t *testing.T) {
		s, disk := begin(t)
		disk.fails = naming
		require.ErrorContains(t, write(t, s, "new"), "disk trouble")
		assert.Equal(t, "old", read(t, s))
		disk.fails = nil
		require.NoError(t, write(t, s, "new"))
		assert.Equal(t, "new", read(t, s))
	})
	t.Run("then read", func(t *testing.T) { assert.Equal(t, "old", read(t, cutOff(t))) })
	t.Run("then stat", func(t *testing.T) {
		info, err := cutOff(t).Stat(t.Context(), ref)
		require.NoError(t, err)
		assert.EqualValues(t, 3, info.Size)
	})
	t.Run("then write", func(t *testing.T) {
		s := cutOff(t)
		require.NoError(t, write(t, s, "newer"))
		assert.Equal(t, "newer", read(t, s))
		require.NoError(t, write(t, s, "newest"))
		assert.Equal(t, "newest", read(t, s))
	})
	t.Run("old file cannot be removed", func(t *testing.T) {
		s, disk := begin(t)
		disk.fails = func(method, file string) bool { return method == "Remove" && filepath.Ext(file) == ".replaced" }
		require.ErrorContains(t, write(t, s, "new"), "disk trouble", "or it might be restored later")
		assert.Equal(t, "new", read(t, s))
		disk.fails = nil
		require.NoError(t, write(t, s, "newer"))
		assert.Equal(t, "newer", read(t, s))
	})
	t.Run("folder", func(t *testing.T) {
		server, _ := startFragileSFTP(t)
		s := open(t, stores.Settings{URL: server.url("/"), Password: "secret", Fingerprint: server.fingerprint()})
		w, err := s.Create(t.Context(), ref+"/x.csv")
		require.NoError(t, err)
		require.NoError(t, w.Commit())
		require.ErrorContains(t, write(t, s, "new"), "is a folder")
		_, err = s.Stat(t.Context(), ref+"/x.csv")
		require.NoError(t, err)
	})
}

// hanging responds neither to reads nor to writes of a file.
type hanging struct {
	sftp.FileReader
	sftp.FileWriter
	sftp.FileCmder
	sftp.FileLister
	over chan struct{}
}

func (h hanging) Fileread(*sftp.Request) (io.ReaderAt, error) { return h, nil }

func (h hanging) Filewrite(*sftp.Request) (io.WriterAt, error) { return h, nil }

func (h hanging) ReadAt([]byte, int64) (int, error) { return h.WriteAt(nil, 0) }

func (h hanging) WriteAt([]byte, int64) (int, error) {
	<-h.over
	return 0, io.EOF
}

// Heartbeats continue while a server hangs: without a timeout the transfer would hang for a day.
func TestSFTP_hangingServerTimesOut(t *testing.T) {
	stores.SetIdleTimeout(t, 500*time.Millisecond)
	disk := sftp.InMemHandler()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	server := startSFTP(t)
	server.handlers = &disk
	s := open(t, stores.Settings{URL: server.url("/"), Password: "secret", Fingerprint: server.fingerprint()})
	w, err := s.Create(t.Context(), "s/x.csv")
	require.NoError(t, err)
	_, err = io.WriteString(w, "0123456789")
	require.NoError(t, err)
	require.NoError(t, w.Commit())
	h := hanging{FileCmder: disk.FileCmd, FileLister: disk.FileList, over: over}
	server.handlers = &sftp.Handlers{FileGet: h, FilePut: h, FileCmd: disk.FileCmd, FileList: disk.FileList}
	require.NoError(t, (<-server.conns).Close())
	require.Eventually(t, func() bool { return s.Check(t.Context(), "s") == nil }, 5*time.Second, 10*time.Millisecond)

	r, err := s.Section(t.Context(), "s/x.csv", 0, 10)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorContains(t, err, "the server did not respond for 500ms")
	_ = r.Close()
	require.Eventually(t, func() bool { return s.Check(t.Context(), "s") == nil }, 5*time.Second, 10*time.Millisecond)
	p, err := s.Parts(t.Context(), "s/gl.dat", "key", nil)
	require.NoError(t, err)
	require.ErrorContains(t, p.WritePart(t.Context(), 1, 0, make([]byte, 100)), "the server did not respond for 500ms")
	_ = p.Abort()
}

// closed is a disk with a folder that the user may not read.
type closed struct{ sftp.FileLister }

func (c closed) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if r.Method == "List" && filepath.Base(r.Filepath) == "lost+found" {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	return c.FileLister.Filelist(r)
}

func TestSFTP_listSkipsUnreadableFolders(t *testing.T) {
	disk := sftp.InMemHandler()
	server := startSFTP(t)
	server.handlers = &disk
	s := open(t, stores.Settings{URL: server.url("/"), Password: "secret", Fingerprint: server.fingerprint()})
	for _, ref := range []string{"s/in/a.csv", "s/in/lost+found/x.csv", "s/in/z.csv"} {
		w, err := s.Create(t.Context(), ref)
		require.NoError(t, err)
		require.NoError(t, w.Commit())
	}
	server.handlers = &sftp.Handlers{FileGet: disk.FileGet, FilePut: disk.FilePut, FileCmd: disk.FileCmd, FileList: closed{disk.FileList}}
	require.NoError(t, (<-server.conns).Close())
	require.Eventually(t, func() bool { return s.Check(t.Context(), "s") == nil }, 5*time.Second, 10*time.Millisecond)
	var refs []string
	for info, err := range s.List(t.Context(), "s/in/") {
		require.NoError(t, err)
		refs = append(refs, info.Ref)
	}
	require.Equal(t, []string{"s/in/a.csv", "s/in/z.csv"}, refs)
	for _, err := range s.List(t.Context(), "s/in/lost+found/") {
		require.ErrorIs(t, err, fs.ErrPermission)
	}
}

func TestSFTP_folderThatIsAwayIsNotEmpty(t *testing.T) {
	server, dir := startSFTP(t), t.TempDir()
	s := open(t, stores.Settings{URL: server.url(dir + "/out"), Password: "secret", Fingerprint: server.fingerprint()})
	for _, away := range []bool{true, false} {
		for _, err := range s.List(t.Context(), "s/in/") {
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.True(t, away)
			away = false
		}
		require.False(t, away)
		_, err := s.Stat(t.Context(), "s/in/gl.csv")
		require.Error(t, err)
		require.NoError(t, os.MkdirAll(dir+"/out", 0o700))
	}
}

// vague answers FAILURE where a file is missing, and to every stat of a broken file.
type vague struct{ sftp.Handlers }

var errVague = errors.New("failure")

func (v vague) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	found, err := v.FileList.Filelist(r)
	if err != nil || filepath.Base(r.Filepath) == "broken.csv" {
		return nil, errVague
	}
	return found, nil
}

func (v vague) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	found, err := v.FileGet.Fileread(r)
	if err != nil {
		return nil, errVague
	}
	return found, nil
}

func (v vague) Filecmd(r *sftp.Request) error {
	if v.FileCmd.Filecmd(r) != nil {
		return errVague
	}
	return nil
}

func TestSFTP_failureWhereAFileIsMissing(t *testing.T) {
	plainSFTP(t)
	disk := sftp.InMemHandler()
	v := vague{disk}
	server := startSFTP(t)
	server.handlers = &sftp.Handlers{FileGet: v, FilePut: disk.FilePut, FileCmd: v, FileList: v}
	s := open(t, stores.Settings{URL: server.url("/"), Password: "secret", Fingerprint: server.fingerprint()})
	for _, ref := range []string{"s/gl.csv", "s/in/gl.csv", "s/in/deeper/gl.csv"} {
		_, err := s.Stat(t.Context(), ref)
		require.ErrorIs(t, err, fs.ErrNotExist, ref)
		_, err = s.Open(t.Context(), ref)
		require.ErrorIs(t, err, fs.ErrNotExist, ref)
	}
	for range 2 { // the second one replaces the first
		for _, ref := range []string{"s/in/gl.csv", "s/broken.csv"} {
			w, err := s.Create(t.Context(), ref)
			require.NoError(t, err)
			if err := w.Commit(); ref == "s/in/gl.csv" {
				require.NoError(t, err)
			}
		}
	}
	_, err := s.Stat(t.Context(), "s/in/gl.csv")
	require.NoError(t, err)
	_, err = s.Stat(t.Context(), "s/broken.csv")
	require.ErrorContains(t, err, "failure")
	require.NotErrorIs(t, err, fs.ErrNotExist, "the folder lists it")
}
