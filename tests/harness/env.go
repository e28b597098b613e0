// Package harness runs the real programs for the tests: the built devserver, worker and starter, and the simulated
// service in the test's own process, where the test can control it and read its journal. Everything listens on free
// ports and ends with its test.
package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
)

// AsOf is the business date of the tests.
const AsOf = "2026-10-31"

// Options configure a test's environment. The zero value is the usual one.
type Options struct {
	Simulator simulator.Options
	// Server is Temporal. Default: the one that the tests of the package share.
	Server *Server
	// Settings override the configuration: "worker.poll.min": "50ms". A key that begins with "connection." is a key of
	// the environment's connection.
	Settings map[string]string
	// Keys encrypt what Temporal stores; by id, in base64. Current is the id of the one that encrypts.
	Keys    map[string]string
	Current string
	// TaskQueue of the worker. Default: one named after the test.
	TaskQueue string
	// Name distinguishes several environments of one test, and their connections.
	Name string
	// NoWorker: the test starts its workers itself.
	NoWorker bool
}

// Env is a tenant, its configuration and a worker, with a connection and a task queue of its own.
type Env struct {
	T          testing.TB
	Sim        *simulator.Simulator
	Server     *Server
	Temporal   client.Client
	Connection string
	TaskQueue  string
	Dir        string // of logs and configuration
	Config     string // path of pbsm.yaml
	Inbox      string // folders of the stores inbox and reports
	Reports    string
	Pipelines  string
	Worker     *Worker

	settings map[string]string
	started  int
}

// New creates an environment. Its worker polls often, because the runs of tests take seconds.
func New(t testing.TB, o Options) *Env {
	t.Helper()
	dir := Folder(t, "env"+o.Name)
	e := &Env{
		T: t, Server: o.Server, Connection: slug(t.Name()) + o.Name, TaskQueue: cmp.Or(o.TaskQueue, t.Name()), Dir: dir, Config: filepath.Join(dir, "config", "pbsm.yaml"),
		Inbox: filepath.Join(dir, "inbox"), Reports: filepath.Join(dir, "reports"), Pipelines: filepath.Join(dir, "pipelines"), settings: o.Settings,
	}
	if e.Server == nil {
		e.Server = shared
	}
	keys, err := e.encrypt(o)
	e.must(err)
	e.Temporal = e.Server.Client(t, keys.ForClient().Apply)
	for _, folder := range []string{e.Inbox, e.Reports, e.Pipelines} {
		e.must(os.MkdirAll(folder, 0o755))
	}
	if o.Simulator.Speed == 0 {
		o.Simulator.Speed = 600
	}
	e.Sim, err = simulator.Start(o.Simulator)
	e.must(err)
	t.Cleanup(func() {
		e.must(e.Sim.Close())
		e.writeJournal()
	})
	e.writeConfig()
	if !o.NoWorker {
		e.StartWorker()
	}
	return e
}

// encrypt adds the keys to the settings. Without keys it returns a keyring that encrypts nothing.
func (e *Env) encrypt(o Options) (*encryption.Keyring, error) {
	if len(o.Keys) == 0 {
		return encryption.NewKeyring("", nil)
	}
	e.settings = maps.Clone(e.settings)
	if e.settings == nil {
		e.settings = map[string]string{}
	}
	e.settings["encryption.current"] = o.Current
	keys := map[string][]byte{}
	for id, text := range o.Keys {
		key, err := encryption.ParseKey(text)
		if err != nil {
			return nil, err
		}
		keys[id], e.settings["encryption.keys."+id] = key, text
	}
	return encryption.NewKeyring(o.Current, keys)
}

func (e *Env) must(err error) {
	e.T.Helper()
	if err != nil {
		e.T.Fatal(err)
	}
}

func (e *Env) writeConfig() {
	e.T.Helper()
	dir := filepath.Dir(e.Config)
	e.must(e.Sim.WriteConfig(dir, e.Connection))
	rest := fmt.Sprintf(`stores:
  inbox: {url: %q}
  reports: {url: %q}
worker:
  task_queue: %q
  pipelines: %q
  health: "127.0.0.1:0"
  poll: {min: 100ms, max: 1s}
`, "file://"+e.Inbox, "file://"+e.Reports, e.TaskQueue, e.Pipelines)
	file, err := os.OpenFile(e.Config, os.O_APPEND|os.O_WRONLY, 0)
	e.must(err)
	_, err = file.WriteString(rest)
	e.must(err)
	e.must(file.Close())
}

// Environ returns the environment variables of the worker and the starter.
func (e *Env) Environ(more ...string) []string {
	env := environment(e.Dir,
		"PBSM_CONFIG="+e.Config, "PBSM_WORKER__TASK_QUEUE="+e.TaskQueue,
		"TEMPORAL_ADDRESS="+e.Server.Address, "TEMPORAL_NAMESPACE="+e.Server.Namespace,
	)
	for key, value := range e.settings {
		if rest, ok := strings.CutPrefix(key, "connection."); ok {
			key = "connections." + strings.ReplaceAll(e.Connection, "-", "_") + "." + rest
		}
		env = append(env, "PBSM_"+strings.ToUpper(strings.ReplaceAll(key, ".", "__"))+"="+value)
	}
	return append(env, more...)
}

// Worker is a running worker process.
type Worker struct {
	*Process
	Health string // http://host:port
}

// StartWorker starts a worker and waits until it is ready.
func (e *Env) StartWorker(env ...string) *Worker {
	e.T.Helper()
	w := &Worker{Process: e.LaunchWorker(env...)}
	e.must(w.ready(w.Stderr, func(text []byte) bool {
		for line := range bytes.Lines(text) {
			var entry struct{ Msg, Health string }
			if json.Unmarshal(line, &entry) == nil && entry.Msg == "worker started" {
				w.Health = "http://" + entry.Health
				return true
			}
		}
		return false
	}))
	response, err := http.Get(w.Health + "/readyz")
	e.must(err)
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		e.T.Fatalf("the worker is not ready: %s: %s", response.Status, body)
	}
	e.Worker = w
	return w
}

// LaunchWorker starts a worker without waiting.
func (e *Env) LaunchWorker(env ...string) *Process {
	e.T.Helper()
	e.started++
	p, err := start(e.Dir, fmt.Sprintf("worker-%d", e.started), e.Environ(env...), "worker")
	e.must(err)
	e.T.Cleanup(func() {
		p.Stop()
		showOnFailure(e.T, p)
	})
	return p
}

// RestartWorker stops the worker gracefully, and starts another one.
func (e *Env) RestartWorker() *Worker {
	e.T.Helper()
	e.Worker.Stop()
	return e.StartWorker()
}

// Run executes the starter and waits for its end.
func (e *Env) Run(args ...string) Result {
	e.T.Helper()
	return e.RunEnv(nil, args...)
}

// RunEnv executes the starter with additional environment variables.
func (e *Env) RunEnv(env []string, args ...string) Result {
	e.T.Helper()
	ctx, cancel := context.WithTimeout(e.T.Context(), 2*time.Minute)
	defer cancel()
	result, err := run(ctx, e.Dir, e.Environ(env...), "starter", args...)
	e.must(err)
	if ctx.Err() != nil {
		e.T.Fatalf("starter %s did not end: %s", strings.Join(args, " "), result)
	}
	e.log(fmt.Sprintf("$ starter %s\n%s\n", strings.Join(args, " "), result))
	return result
}

// LaunchStarter starts the starter without waiting for its end.
func (e *Env) LaunchStarter(args ...string) *Process {
	e.T.Helper()
	return e.LaunchStarterEnv(nil, args...)
}

// LaunchStarterEnv starts the starter with additional environment variables, without waiting for its end.
func (e *Env) LaunchStarterEnv(env []string, args ...string) *Process {
	e.T.Helper()
	e.started++
	p, err := start(e.Dir, fmt.Sprintf("starter-%d", e.started), e.Environ(env...), "starter", args...)
	e.must(err)
	e.T.Cleanup(func() { p.Stop() })
	return p
}

// log adds to the log of the starter's output.
func (e *Env) log(text string) {
	file, err := os.OpenFile(filepath.Join(e.Dir, "starter.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	e.must(err)
	_, err = file.WriteString(text)
	e.must(err)
	e.must(file.Close())
}

// Write writes a file into a folder, such as Inbox or Pipelines.
func (e *Env) Write(folder, name, text string) {
	e.T.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	e.must(os.MkdirAll(filepath.Dir(path), 0o755))
	e.must(os.WriteFile(path, []byte(text), 0o644))
}

// Ledger returns a small ledger file: a header and rows.
func Ledger(rows int) string {
	var b strings.Builder
	b.WriteString("account,currency,amount\n")
	for i := range rows {
		fmt.Fprintf(&b, "%06d,USD,%d.%02d\n", i, i*37, i%100)
	}
	return b.String()
}

// Calls returns the journal entries of a call that match all conditions, in order.
func (e *Env) Calls(call string, match ...func(simulator.Entry) bool) []simulator.Entry {
	return slices.DeleteFunc(e.Sim.Journal(), func(entry simulator.Entry) bool {
		if entry.Call != call {
			return true
		}
		return slices.ContainsFunc(match, func(m func(simulator.Entry) bool) bool { return !m(entry) })
	})
}

// Processed reports whether a request was carried out.
func Processed(e simulator.Entry) bool { return e.Processed }

// About returns a condition: whether a request was about a batch, a run, a file, a report or a migration.
func About(subject string) func(simulator.Entry) bool {
	return func(e simulator.Entry) bool { return e.Subject == subject }
}

func (e *Env) writeJournal() {
	if !e.T.Failed() {
		return
	}
	file, err := os.Create(filepath.Join(e.Dir, "journal.jsonl"))
	if err != nil {
		return
	}
	defer file.Close()
	encoder := json.NewEncoder(file)
	for _, entry := range e.Sim.Journal() {
		_ = encoder.Encode(entry)
	}
	e.T.Logf("the service's journal is in %s", file.Name())
}

// Until waits for a condition, and fails the test if it is not met within a minute. It looks less often with time: each
// look is work for the server and the worker, of which other tests need all there is.
func (e *Env) Until(what string, condition func() bool) {
	e.T.Helper()
	deadline := time.Now().Add(time.Minute)
	for pause := 20 * time.Millisecond; !condition(); pause = min(pause*5/4, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			e.T.Fatalf("timed out waiting until: %s", what)
		}
		time.Sleep(pause)
	}
}

// Healthcheck executes the worker's health check against the running worker.
func (e *Env) Healthcheck() Result {
	e.T.Helper()
	result, err := run(e.T.Context(), e.Dir, e.Environ(), "worker", "healthcheck", "--url", e.Worker.Health+"/readyz")
	e.must(err)
	return result
}
