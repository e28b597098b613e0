package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Server is a running devserver: the real Temporal on SQLite.
type Server struct {
	*Process  `json:"-"`
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
	DB        string `json:"db"`
}

var shared *Server // by all tests of a package; set by Main

// Main runs the tests of a package with one Temporal server for all of them.
func Main(m *testing.M) {
	server, err := startServer(filepath.Join(Output(), "server"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer server.Stop()
	shared = server
	if m.Run() != 0 {
		fmt.Fprintf(os.Stderr, "the end of %s:\n%s\n", server.Stderr, server.Tail())
	}
}

// StartServer starts a Temporal server for one test.
func StartServer(t testing.TB, args ...string) *Server {
	t.Helper()
	server, err := startServer(Folder(t, "server"), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		showOnFailure(t, server.Process)
	})
	return server
}

// promptTimers makes the server poll for due timers every few milliseconds instead of once a second, because the hours
// of the tests are seconds.
const promptTimers = "history.timerProcessorMaxTimeShift=20ms"

func startServer(dir string, args ...string) (*Server, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	db := filepath.Join(dir, "temporal.db")
	p, err := start(dir, "devserver", environment(dir), "devserver", append([]string{"--db", db, "--dynamic-config", promptTimers}, args...)...)
	if err != nil {
		return nil, err
	}
	server := &Server{Process: p}
	err = p.ready(p.Stdout, func(text []byte) bool {
		line, _, whole := bytes.Cut(text, []byte("\n"))
		return whole && json.Unmarshal(line, server) == nil
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return server, nil
}

// Client connects to the server.
func (s *Server) Client(t testing.TB, change ...func(*client.Options)) client.Client {
	t.Helper()
	options := client.Options{
		HostPort: s.Address, Namespace: s.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
	for _, c := range change {
		c(&options)
	}
	c, err := client.Dial(options)
	if err != nil {
		t.Fatalf("connect to the devserver: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// Output returns the folder for everything that the tests of a package write, below tests/output.
func Output() string {
	tests, _ := repository()
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Join(tests, "output", strings.TrimPrefix(dir, tests))
}

// repository finds the folders tests and bin from any package below tests.
func repository() (tests, bin string) {
	dir, err := os.Getwd()
	for err == nil && filepath.Base(dir) != "tests" && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir, filepath.Join(filepath.Dir(dir), "bin")
}

// Folder creates an empty folder for the test, which is kept.
func Folder(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(Output(), filepath.FromSlash(t.Name()), name)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// environment returns the variables of a started program, which are independent of the user's settings.
func environment(home string, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "TZ=UTC", "LANG=C.UTF-8"}, more...)
}

// slug turns the name of a test into that of a connection or a task queue.
func slug(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, strings.TrimPrefix(name, "Test"))
	return strings.Trim(name[:min(len(name), 60)], "-")
}
