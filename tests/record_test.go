package tests

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
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

var record = flag.Bool("record", false, "write the histories of TestRecordHistories to the folder histories")

const (
	historiesFolder = "histories/v1"
	scenesAtOnce    = 16
)

// scene is a workflow brought to one of its ends. Its name begins with the workflow's type.
type scene struct {
	name string
	what string // happens, for README.md
	// ends is how the workflow ends: succeeded, cancelled, or failed and the error's type.
	ends string
	// told: there is a channel through which people are told.
	told bool
	// batch is the second of three tasks of the scene's own batch. Default: one that succeeds.
	batch simulator.Task
	play  func(*stage) client.WorkflowRun
}

// stage is an environment with a batch of the scene's own.
type stage struct {
	*harness.Env
	t    *testing.T
	name string // of the scene, in lower case
	code string // of the scene's batch
}

func (s scene) code() string {
	return "PBSM_" + strings.ToUpper(regexp.MustCompile(`[^A-Za-z]+`).ReplaceAllString(s.name, "_"))
}

func (s scene) tasks() []simulator.Task {
	second := s.batch
	second.Code, second.Duration = heldTask, cmp.Or(second.Duration, time.Minute)
	return []simulator.Task{{Code: "T1_LOAD", Duration: 10 * time.Second}, second, {Code: "T3_PUBLISH", Duration: 10 * time.Second}}
}

// Every workflow, brought to every end that it has, on the real server. With -record the histories are
// kept, and the tests of the package workflows replay them: a change that would break a night that is
// under way is found before it is deployed.
func TestRecordHistories(t *testing.T) {
	t.Parallel()
	catalog := simulator.DefaultCatalog()
	catalog.Reports = append(catalog.Reports, simulator.Report{Code: "RPT_TINY", Kind: simulator.Profitability, Rows: 3, AsOf: harness.AsOf, Duration: 10 * time.Second})
	for _, s := range scenes {
		catalog.Batches = append(catalog.Batches, simulator.Batch{Code: s.code(), Tasks: s.tasks()})
	}
	environments := map[bool]*harness.Env{ // by whether people are told
		false: harness.New(t, harness.Options{Simulator: simulator.Options{Catalog: catalog}}),
		true:  newTold(t, harness.Options{Simulator: simulator.Options{Catalog: catalog}, TaskQueue: t.Name() + "-told", Name: "-told"}).Env,
	}
	dir := harness.Folder(t, "histories")
	if *record {
		dir = historiesFolder
		emptyOfHistories(t, dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte(historiesReadme()), 0o644))
	}
	var group sync.WaitGroup
	atOnce := make(chan struct{}, scenesAtOnce) // they wait most of the time: more than there are processors
	for _, s := range scenes {
		group.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			t.Run(s.name, func(t *testing.T) { s.keep(t, environments[s.told], dir) })
		})
	}
	group.Wait()
	written, err := os.ReadFile(filepath.Join(historiesFolder, "README.md"))
	require.NoError(t, err)
	require.Equal(t, historiesReadme(), string(written), "histories/README.md is out of step: record anew")
}

// keep plays the scene and writes its history.
func (s scene) keep(t *testing.T, e *harness.Env, dir string) {
	own := *e // its helpers stop this test, not its parent
	own.T = t
	run := s.play(&stage{Env: &own, t: t, name: strings.ToLower(s.name), code: s.code()})
	_ = own.Await(run, nil) // the history tells how it ended
	history := &historypb.History{Events: own.History(run.GetID(), run.GetRunID())}
	require.Equal(t, s.ends, ending(history), "the workflow's end")
	require.Equal(t, strings.Split(s.name, "-")[0], history.Events[0].GetWorkflowExecutionStartedEventAttributes().WorkflowType.Name)
	anonymous(history.ProtoReflect())
	requireNoSecret(t, &own, history)
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, s.name+".json.gz"), compressed(t, append(text, '\n')), 0o644))
}

// compressed has no time and no name in it: the same history is the same file.
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

func emptyOfHistories(t *testing.T, dir string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "*.json.gz"))
	require.NoError(t, err)
	for _, path := range old {
		require.NoError(t, os.Remove(path))
	}
}

func historiesReadme() string {
	var b strings.Builder
	b.WriteString(`# Recorded histories

Each file is the event history of a workflow that ran on the real server against the simulated service,
one for every end that a workflow has. ` + "`go test ./workflows`" + ` replays them with today's code: a change
that a night under way would not survive fails there.

After a change that new starts only will meet, or that is guarded by ` + "`workflow.GetVersion`" + `, record anew and
look at the difference; ` + "`make build`" + ` first:

    cd tests && go test -run TestRecordHistories -record .
    gunzip --stdout histories/v1/RunBatch-succeeded.json.gz # reads one

The table is written by the recorder; the replay compares it with the files.

| history | ends | what happens |
|---|---|---|
`)
	for _, s := range scenes {
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

// anonymous takes out who and which machine carried it out.
func anonymous(m protoreflect.Message) {
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
				anonymous(value.List().Get(i).Message())
			}
		default:
			anonymous(value.Message())
		}
		return true
	})
}

// requireNoSecret also refuses what belongs to this machine. It does not show what it found.
func requireNoSecret(t *testing.T, e *harness.Env, history proto.Message) {
	t.Helper()
	text := prototext.Format(history)
	for _, secret := range e.Sim.Secrets() {
		require.False(t, strings.Contains(text, secret), "the history holds a secret of the service")
	}
	host, err := os.Hostname()
	require.NoError(t, err)
	require.False(t, regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).MatchString(text), "the history holds this machine's name")
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	require.False(t, strings.Contains(text, root), "the history holds a path of this machine")
}

// definition is a whole pipeline as the input of a close takes it.
func definition(t *testing.T, name, steps string) json.RawMessage {
	t.Helper()
	text, err := json.Marshal("name: " + name + "\nsteps:\n" + steps)
	require.NoError(t, err)
	return text
}
