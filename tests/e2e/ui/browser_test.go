// Package ui tests the Temporal UI in a browser.
package ui

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// pages are the Temporal UI in a browser.
type pages struct{ *browser.Tab }

func openPages(t *testing.T, server *harness.Server) *pages {
	t.Helper()
	return &pages{browser.Start(t).Tab(t, "screens", server.UI+"/namespaces/"+server.Namespace)}
}

// details waits until the workflow's current details contain a text.
func (b *pages) details(id, text string) {
	b.T.Helper()
	b.Open("/workflows/" + url.PathEscape(id))
	b.Click("[role=tab]", "User Metadata")
	b.Until("details with "+text, fmt.Sprintf(`document.querySelector("#user-metadata-current-details")?.contentDocument?.body?.innerText.includes(%q)`, text))
}

// signal sends a signal through the dialog of the workflow's page.
func (b *pages) signal(id, name, input string) {
	b.T.Helper()
	b.Open("/workflows/" + url.PathEscape(id))
	b.Click("button", "More Actions")
	b.Click("[role=menuitem]", "Send a Signal")
	b.Click("dialog[open] [data-testid=signal-select-button]", "")
	b.Until("the signals", `find("dialog[open] [role=option]", "`+name+`")`)
	b.Shot("signals")
	b.Click("dialog[open] [role=option]", name)
	b.Fill("dialog[open] .cm-content", input)
	b.Shot("signal-" + name)
	b.Click("dialog[open] [data-testid=confirm-modal-button]", "Submit")
}

// Runs a close from the Temporal UI alone: starts it with the JSON of docs/starting.md, watches, interrupts and
// restarts it.
func TestUI_runsAClose(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Server: harness.StartServer(t), TaskQueue: workflows.TaskQueue, Simulator: simulator.Options{Speed: 2}})
	_, definitions := harness.Page(t, "../../../docs/pipelines.md")
	e.Write(e.Pipelines, "nightly-close.yaml", harness.InLanguage(definitions, "yaml")[0].Text)
	_, blocks := harness.Page(t, "../../../docs/starting.md")
	e.Write(e.Inbox, "gl_"+harness.AsOf+".csv", harness.Ledger(100))
	input := blocks[slices.IndexFunc(blocks, func(b harness.Block) bool { return b.Heading == workflows.NightlyCloseType })].Text
	var in workflows.NightlyCloseInput
	input = strings.ReplaceAll(input, `"prod"`, `"`+e.Connection+`"`)
	require.NoError(t, json.Unmarshal([]byte(input), &in))
	batch := workflows.BatchWorkflowID(e.Connection, "PBSM_ALLOC", in.AsOfDate, "")
	b := openPages(t, e.Server)

	running := func() bool { s, _ := e.Status(batch); return s.StatusCode == "2" }
	b.start("start", in.WorkflowID(), input, running)
	e.Until("the batch is running", running)
	b.Open("/workflows/" + url.PathEscape(in.WorkflowID()))
	b.Until("the badge", `find("*", "Running")`)
	b.Shot("started")
	b.details(in.WorkflowID(), "allocate")
	b.Shot("close-details")
	b.details(batch, "ONGOING")
	b.Shot("batch-details")

	b.signal(batch, workflows.InterruptCommand, `{"by": "alice", "why": "wrong rates loaded"}`)
	e.AwaitState(batch, workflows.Waiting) // the page does not refresh the details
	b.details(batch, "Question to the operator")
	b.Shot("interrupted")
	e.AwaitState(in.WorkflowID(), workflows.Waiting)
	b.details(in.WorkflowID(), "Question to the operator")
	b.Shot("close-waits")
	b.Open("/workflows?query=" + url.QueryEscape("PbsmState = 'waiting'"))
	b.Until("the waiting batch", `find("a", "`+batch+`")`)
	b.Shot("waiting")

	e.Sim.SetSpeed(600)
	b.signal(batch, workflows.RestartCommand, `{"by": "alice", "why": "rates reloaded"}`)
	require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), in.WorkflowID(), ""), nil))
	b.Open("/workflows/" + url.PathEscape(in.WorkflowID()))
	b.Until("the badge", `find("*", "Completed")`)
	b.Shot("completed")
	b.details(in.WorkflowID(), "succeeded")
	b.Shot("close-details-at-the-end")
	b.details(batch, "succeeded")
	b.Shot("batch-details-at-the-end")
	again(b, e, in)
	b.Open("/workflows")
	b.Until("the list", `find("a", "`+in.WorkflowID()+`")`)
	b.Shot("list")
}

// start fills in the form and clicks until the workflow has started: now and then the page takes no notice of a click,
// and of none after it.
func (b *pages) start(shot, id, input string, started func() bool) {
	b.T.Helper()
	form := url.Values{"workflowId": {id}, "taskQueue": {workflows.TaskQueue}, "workflowType": {workflows.NightlyCloseType}}
	for range 4 {
		b.Open("/workflows/start-workflow?" + form.Encode())
		b.Until("a worker", `find("*", "Task Queue is Active")`)
		b.Fill(".cm-content", strings.TrimSpace(input))
		b.Shot(shot)
		b.Click("[data-testid=start-workflow-button]", "")
		for wait := time.Now().Add(15 * time.Second); time.Now().Before(wait); time.Sleep(200 * time.Millisecond) {
			if started() {
				return
			}
		}
		b.Until("the button", `(button => (button.scrollIntoView(), true))(find("[data-testid=start-workflow-button]", ""))`)
		b.Shot("not-started")
	}
}

// again runs a step of the close again that has succeeded, with the JSON of docs/corrections.md.
func again(b *pages, e *harness.Env, in workflows.NightlyCloseInput) {
	_, blocks := harness.Page(b.T, "../../../docs/corrections.md")
	i := slices.IndexFunc(blocks, func(b harness.Block) bool { return strings.Contains(b.Text, `"again":`) })
	input := strings.NewReplacer(`"prod"`, `"`+e.Connection+`"`).Replace(blocks[i].Text)
	var started workflows.NightlyCloseInput
	require.NoError(b.T, json.Unmarshal([]byte(input), &started))
	require.Equal(b.T, in.WorkflowID(), started.WorkflowID())
	triggered := len(e.Calls("trigger"))
	submitted := func() bool { return len(e.Calls("trigger")) > triggered }
	b.start("again", in.WorkflowID(), input, submitted)
	e.Until("the batch is submitted again", submitted)
	require.NoError(b.T, e.Await(e.Temporal.GetWorkflow(b.T.Context(), in.WorkflowID(), ""), nil))
	status, _ := e.Status(in.WorkflowID())
	kept := map[string]bool{}
	for _, s := range status.Steps {
		kept[s.ID] = !s.KeptFrom.IsZero()
	}
	require.True(b.T, kept["ledger"], "%v", kept)
	require.False(b.T, kept["allocate"], "%v", kept)
	b.details(in.WorkflowID(), "again from allocate")
	b.Shot("again-at-the-end")
}
