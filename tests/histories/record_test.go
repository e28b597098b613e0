// Package histories records the event histories that the package workflows replays. `make histories` writes
// them anew to the folder v1; without -record the scenarios run, and their ends are checked.
package histories

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
)

var record = flag.Bool("record", false, "write the histories to the folder v1")

const (
	folder          = "v1"
	scenariosAtOnce = 16
)

func TestMain(m *testing.M) { harness.Main(m) }

// worker is one of the workers that run the scenarios.
type worker string

const (
	usual      worker = ""
	notifying  worker = "notifying"  // has notification channels
	asking     worker = "asking"     // asks the operator after seconds about what it repeats
	unscanning worker = "unscanning" // does not have uploaded files scanned
)

// scenario brings a workflow to one of its ends. Its name begins with the workflow's type.
type scenario struct {
	name string
	what string // happens, for README.md
	// ends is how the workflow ends: succeeded, cancelled, or failed and the error's type.
	ends string
	// worker has other settings than the usual one.
	worker worker
	// batch is the second of three tasks of the scenario's own batch. Default: one that succeeds.
	batch simulator.Task
	run   func(*env) client.WorkflowRun
}

// env is an environment with a batch of the scenario's own.
type env struct {
	*harness.Env
	t    *testing.T
	name string // of the scenario, in lower case
	code string // of the scenario's batch
}

func (s scenario) code() string {
	return "PBSM_" + strings.ToUpper(regexp.MustCompile(`[^A-Za-z]+`).ReplaceAllString(s.name, "_"))
}

func (s scenario) tasks() []simulator.Task {
	second := s.batch
	second.Code, second.Duration = heldTask, cmp.Or(second.Duration, time.Minute)
	return []simulator.Task{{Code: "T1_LOAD", Duration: 10 * time.Second}, second, {Code: "T3_PUBLISH", Duration: 10 * time.Second}}
}

func (w worker) start(t *testing.T, options harness.Options) *harness.Env {
	t.Helper()
	if w != usual {
		options.Name, options.TaskQueue = "-"+string(w), t.Name()+"-"+string(w)
	}
	switch w {
	case notifying:
		return harness.NewNotified(t, options).Env
	case asking:
		options.Settings = map[string]string{"worker.ask_after": "2s"}
	case unscanning:
		options.Settings = map[string]string{"connection.scan_after_upload": "false"}
	}
	return harness.New(t, options)
}

// A change that would break a night under way is found before it is deployed: the tests of the package workflows
// replay what this records.
func TestRecordHistories(t *testing.T) {
	t.Parallel()
	catalog := simulator.DefaultCatalog()
	for _, code := range []string{"RPT_TINY", "RPT_EXPIRES"} {
		catalog.Reports = append(catalog.Reports, simulator.Report{
			Code: code, Kind: simulator.Profitability, Rows: 3, AsOf: harness.AsOf, Duration: 10 * time.Second,
		})
	}
	for _, s := range scenarios {
		catalog.Batches = append(catalog.Batches, simulator.Batch{Code: s.code(), Tasks: s.tasks()})
	}
	envs := map[worker]*harness.Env{}
	for _, w := range []worker{usual, notifying, asking, unscanning} {
		envs[w] = w.start(t, harness.Options{Simulator: simulator.Options{Catalog: catalog}})
	}
	dir := harness.Folder(t, "histories")
	if *record {
		dir = folder
		removeHistories(t, dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte(readme()), 0o644))
	}
	var group sync.WaitGroup
	atOnce := make(chan struct{}, scenariosAtOnce) // they wait most of the time: more than there are processors
	for _, s := range scenarios {
		group.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			t.Run(s.name, func(t *testing.T) { s.record(t, envs[s.worker], dir) })
		})
	}
	group.Wait()
	written, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.Equal(t, readme(), string(written), "README.md is out of step: make histories")
}

// record runs the scenario and writes its history.
func (s scenario) record(t *testing.T, e *harness.Env, dir string) {
	own := *e // its helpers stop this test, not its parent
	own.T = t
	run := s.run(&env{Env: &own, t: t, name: strings.ToLower(s.name), code: s.code()})
	_ = own.Await(run, nil) // the history says how it ended
	history := &historypb.History{Events: own.History(run.GetID(), run.GetRunID())}
	require.Equal(t, s.ends, ending(history), "the workflow's end")
	started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
	require.Equal(t, strings.Split(s.name, "-")[0], started.WorkflowType.Name)
	anonymize(history.ProtoReflect())
	requireNoSecret(t, &own, history)
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, s.name+".json.gz"), compressed(t, append(text, '\n')), 0o644))
}

// compressed writes neither a time nor a name: the same history is the same file.
func compressed(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func removeHistories(t *testing.T, dir string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "*.json.gz"))
	require.NoError(t, err)
	for _, path := range old {
		require.NoError(t, os.Remove(path))
	}
}

func readme() string {
	var b strings.Builder
	b.WriteString(`# Recorded histories

Each file is the event history of a workflow that ran on the real server against the simulated service,
one for every end that a workflow has. ` + "`go test ./workflows`" + ` replays them with today's code: a change
that would break a night under way fails there.

After a change of a workflow's commands that is meant, record them anew (half a minute), and look at the difference:

    make histories
    gunzip --stdout tests/histories/v1/RunBatch-succeeded.json.gz # reads one

The table is written by the recorder, from its scenarios; the replay compares it with the files.

| history | ends | what happens |
|---|---|---|
`)
	for _, s := range scenarios {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, s.ends, s.what)
	}
	return b.String()
}

// ending is how a history ends.
func ending(h *historypb.History) string {
	last := h.Events[len(h.Events)-1]
	if failed := last.GetWorkflowExecutionFailedEventAttributes(); failed != nil {
		cause := failed.Failure
		for cause.GetApplicationFailureInfo() == nil && cause.GetCause() != nil {
			cause = cause.GetCause()
		}
		return "failed " + cause.GetApplicationFailureInfo().GetType()
	}
	switch last.EventType {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		return "succeeded"
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		return "cancelled"
	}
	return last.EventType.String()
}

// anonymize removes which process and which machine ran the workflow.
func anonymize(m protoreflect.Message) {
	if queue, ok := m.Interface().(*taskqueuepb.TaskQueue); ok && queue.Kind == enumspb.TASK_QUEUE_KIND_STICKY {
		queue.Name = "sticky" // it was the worker's own
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "identity":
			m.Set(field, protoreflect.ValueOfString("recorder"))
		case field.Kind() != protoreflect.MessageKind || field.IsMap():
		case field.IsList():
			for i := range value.List().Len() {
				anonymize(value.List().Get(i).Message())
			}
		default:
			anonymize(value.Message())
		}
		return true
	})
}

// requireNoSecret fails also for what belongs to this machine. It does not show what it found.
func requireNoSecret(t *testing.T, e *harness.Env, history proto.Message) {
	t.Helper()
	text := prototext.Format(history)
	for _, secret := range e.Sim.Secrets() {
		require.False(t, strings.Contains(text, secret), "the history holds a secret of the service")
	}
	host, err := os.Hostname()
	require.NoError(t, err)
	require.False(t, regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).MatchString(text), "the history holds this machine's name")
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.False(t, strings.Contains(text, root), "the history holds a path of this machine")
}
