package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Cluster is Temporal as Compose runs it: the server on a real PostgreSQL, with the same schema script and the same
// configuration. Only addresses and paths differ.
type Cluster struct {
	*Server
	t      testing.TB
	dir    string
	config string
}

const databasePassword = "not-a-secret"

// StartCluster starts PostgreSQL (Debian's postgresql) and the server on it.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: Folder(t, "cluster"), Server: &Server{Namespace: "default"}}
	ports := freePorts(t, 10)
	database := "127.0.0.1:" + ports[9]
	password := filepath.Join(c.dir, "postgres_password")
	c.must(os.WriteFile(password, []byte(databasePassword), 0o644))
	c.startPostgres(ports[9])

	tests, _ := repository()
	deploy := filepath.Join(filepath.Dir(tests), "deploy", "config")
	c.makeSchema(filepath.Join(deploy, "setup-schema.sh"), ports[9], password)
	text, err := os.ReadFile(filepath.Join(deploy, "temporal.yaml"))
	c.must(err)
	replaced := []string{
		"postgres:5432", database, "/run/secrets/postgres_password", password, "0.0.0.0", "127.0.0.1",
		"/etc/temporal/config", deploy,
	}
	for i, port := range []string{"7233", "7243", "6933", "7234", "6934", "7235", "6935", "7239", "6939"} {
		replaced = append(replaced, port, ports[i])
	}
	c.config = filepath.Join(c.dir, "temporal.yaml")
	c.must(os.WriteFile(c.config, []byte(strings.NewReplacer(replaced...).Replace(string(text))), 0o644))
	c.Address = "127.0.0.1:" + ports[0]
	c.Restart()
	c.makeNamespace()
	return c
}

// Restart starts the server, for the first time or after a Kill.
func (c *Cluster) Restart() {
	c.t.Helper()
	p, err := start(c.dir, "temporal-server", environment(c.dir), "temporal-server", "--config-file", c.config, "--allow-no-auth", "start")
	c.must(err)
	c.Process = p
	c.t.Cleanup(func() {
		p.Stop()
		showOnFailure(c.t, p)
	})
}

func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// startPostgres creates a database for the test. PostgreSQL refuses to run as root; then it runs as the user that its
// package created.
func (c *Cluster) startPostgres(port string) {
	c.t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		c.t.Fatal("PostgreSQL is missing: apt-get install postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	data, err := os.MkdirTemp("", "pbsmflow-postgres-")
	c.must(err)
	c.t.Cleanup(func() { _ = os.RemoveAll(data) })
	owner := databaseOwner(c.t)
	if owner != nil {
		c.must(os.Chown(data, int(owner.Uid), int(owner.Gid)))
	}
	secret := filepath.Join(data, "password")
	c.must(os.WriteFile(secret, []byte(databasePassword), 0o644))

	folder := filepath.Join(data, "data")
	initialise := exec.CommandContext(c.t.Context(), filepath.Join(bin, "initdb"), "-D", folder, "-U", "temporal", "--auth=scram-sha-256", "--pwfile="+secret, "--no-sync")
	initialise.Dir, initialise.SysProcAttr = data, &syscall.SysProcAttr{Credential: owner}
	if text, err := initialise.CombinedOutput(); err != nil {
		c.t.Fatalf("initdb: %v\n%s", err, text)
	}
	p, err := startAs(owner, c.dir, "postgres", environment(data), filepath.Join(bin, "postgres"),
		"-D", folder, "-h", "127.0.0.1", "-p", port, "-k", data)
	c.must(err)
	c.t.Cleanup(func() {
		p.Signal(syscall.SIGINT) // a fast shutdown; SIGTERM would wait for the clients
		p.Stop()
		showOnFailure(c.t, p)
	})
	c.await("PostgreSQL answers", func(context.Context) error {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			connection.Close()
		}
		return err
	})
}

func databaseOwner(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root, and the user postgres is missing: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (c *Cluster) makeSchema(script, port, password string) {
	c.t.Helper()
	tool, err := Binary("temporal-sql-tool")
	c.must(err)
	run := exec.CommandContext(c.t.Context(), "sh", script)
	run.Env = append(environment(c.dir), "PATH="+filepath.Dir(tool)+":"+os.Getenv("PATH"),
		"SQL_PLUGIN=postgres12_pgx", "SQL_HOST=127.0.0.1", "SQL_PORT="+port, "SQL_USER=temporal", "POSTGRES_PASSWORD_FILE="+password)
	if text, err := run.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", script, err, text)
	}
}

const retention = 30 * 24 * time.Hour

func (c *Cluster) makeNamespace() {
	c.t.Helper()
	namespaces, err := client.NewNamespaceClient(client.Options{HostPort: c.Address})
	c.must(err)
	defer namespaces.Close()
	c.await("the namespace exists", func(ctx context.Context) error {
		err := namespaces.Register(ctx, &workflowservice.RegisterNamespaceRequest{Namespace: c.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention)})
		var exists *serviceerror.NamespaceAlreadyExists
		if errors.As(err, &exists) {
			return nil
		}
		return err
	})
}

func (c *Cluster) await(what string, try func(context.Context) error) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		err := try(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("timed out waiting until %s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// FreePort finds a port on which nothing listens.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := strconv.Atoi(freePorts(t, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Ports from lowestPort on are handed out one after the other, each once, so that tests beside each other get
// different ones. They are below those that the kernel gives to connections and to listeners on port 0: one of these
// would take a port before the program that it was found for binds it. And Temporal's server stores its ports in a
// column of two bytes.
const (
	lowestPort  = 10000
	highestPort = math.MaxInt16
)

var nextPort = struct {
	sync.Mutex
	port int
}{port: lowestPort + rand.IntN(highestPort-lowestPort)}

func freePorts(t testing.TB, n int) []string {
	t.Helper()
	nextPort.Lock()
	defer nextPort.Unlock()
	var ports []string
	for range highestPort - lowestPort {
		if nextPort.port++; nextPort.port > highestPort {
			nextPort.port = lowestPort
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", nextPort.port))
		if err != nil {
			continue
		}
		defer listener.Close()
		if ports = append(ports, strconv.Itoa(nextPort.port)); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("no free ports between %d and %d", lowestPort, highestPort)
	return nil
}
