// Package ui tests the Temporal UI in a browser.
package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// browser is a tab of a headless Chromium on the Temporal UI.
type browser struct {
	t     *testing.T
	tab   context.Context
	ui    string // address of the namespace's pages
	shots string // folder of the screenshots
	taken int
}

func openBrowser(t *testing.T, server *harness.Server) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	require.NoError(t, err, "the browser test needs Chromium: apt-get install chromium")
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1440, 1000), chromedp.NoFirstRun, chromedp.NoSandbox,
	}
	for _, name := range []string{"headless", "disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocated, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(tab))
	return &browser{t: t, tab: tab, ui: server.UI + "/namespaces/" + server.Namespace, shots: harness.Folder(t, "screens")}
}

func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.shot("failed")
		html, _ := chromedp.Run(b.tab, chromedp.OuterHTML("body"))
		_ = os.WriteFile(filepath.Join(b.shots, "failed.html"), []byte(html), 0o644)
		b.t.Fatalf("%s: %v; see the screenshot in %s", what, err, b.shots)
	}
}

func (b *browser) shot(name string) {
	ctx, cancel := context.WithTimeout(b.tab, 30*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	b.taken++
	require.NoError(b.t, os.WriteFile(filepath.Join(b.shots, fmt.Sprintf("%02d-%s.png", b.taken, name)), png, 0o644))
}

// find returns the visible element with a CSS selector and a text at its beginning.
const find = `const find = (css, text) => [...document.querySelectorAll(css)].find(e => e.getClientRects().length > 0 && e.textContent.trim().startsWith(text));`

// until waits until a JavaScript expression is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	b.do(what, discard(chromedp.Poll[bool]("(() => { "+find+" return Boolean("+expression+") })()")))
}

func discard[T any](a chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := a(ctx, t)
		return err
	})
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.ui+path))
}

func (b *browser) click(css, text string) {
	b.t.Helper()
	element := fmt.Sprintf("find(%q, %q)", css, text)
	b.until("click "+css+" "+text, element+" && !"+element+".disabled && ("+element+".click(), true)")
}

// fill replaces the text of an editor, repeatedly, because the page may reset it while it loads.
func (b *browser) fill(css, text string) {
	b.t.Helper()
	b.until("type into "+css, fmt.Sprintf(`(editor => {
		const bare = text => text.replace(/\s/g, "");
		if (!editor || bare(editor.innerText) === bare(%[2]q)) return Boolean(editor);
		editor.focus();
		document.execCommand("selectAll");
		document.execCommand("insertText", false, %[2]q);
	})(find(%[1]q, ""))`, css, text))
}

// details waits until the workflow's current details contain a text.
func (b *browser) details(id, text string) {
	b.t.Helper()
	b.open("/workflows/" + url.PathEscape(id))
	b.click("[role=tab]", "User Metadata")
	b.until("details with "+text, fmt.Sprintf(`document.querySelector("#user-metadata-current-details")?.contentDocument?.body?.innerText.includes(%q)`, text))
}

// signal sends a signal through the dialog of the workflow's page.
func (b *browser) signal(id, name, input string) {
	b.t.Helper()
	b.open("/workflows/" + url.PathEscape(id))
	b.click("button", "More Actions")
	b.click("[role=menuitem]", "Send a Signal")
	b.click("dialog[open] [data-testid=signal-select-button]", "")
	b.until("the signals", `find("dialog[open] [role=option]", "`+name+`")`)
	b.shot("signals")
	b.click("dialog[open] [role=option]", name)
	b.fill("dialog[open] .cm-content", input)
	b.shot("signal-" + name)
	b.click("dialog[open] [data-testid=confirm-modal-button]", "Submit")
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
	b := openBrowser(t, e.Server)

	b.open("/workflows/start-workflow?" + url.Values{"workflowId": {in.WorkflowID()}, "taskQueue": {workflows.TaskQueue}, "workflowType": {workflows.NightlyCloseType}}.Encode())
	b.until("a worker", `find("*", "Task Queue is Active")`)
	b.fill(".cm-content", strings.TrimSpace(input))
	b.shot("start")
	b.click("[data-testid=start-workflow-button]", "")
	e.Until("the batch is running", func() bool { s, _ := e.Status(batch); return s.StatusCode == "2" })
	b.open("/workflows/" + url.PathEscape(in.WorkflowID()))
	b.until("the badge", `find("*", "Running")`)
	b.shot("started")
	b.details(in.WorkflowID(), "allocate")
	b.shot("close-details")
	b.details(batch, "ONGOING")
	b.shot("batch-details")

	b.signal(batch, workflows.InterruptCommand, `{"by": "alice", "why": "wrong rates loaded"}`)
	e.AwaitState(batch, workflows.Waiting) // the page does not refresh the details
	b.details(batch, "Question to the operator")
	b.shot("interrupted")
	e.AwaitState(in.WorkflowID(), workflows.Waiting)
	b.details(in.WorkflowID(), "Question to the operator")
	b.shot("close-waits")
	b.open("/workflows?query=" + url.QueryEscape("PbsmState = 'waiting'"))
	b.until("the waiting batch", `find("a", "`+batch+`")`)
	b.shot("waiting")

	e.Sim.SetSpeed(600)
	b.signal(batch, workflows.RestartCommand, `{"by": "alice", "why": "rates reloaded"}`)
	require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), in.WorkflowID(), ""), nil))
	b.open("/workflows/" + url.PathEscape(in.WorkflowID()))
	b.until("the badge", `find("*", "Completed")`)
	b.shot("completed")
	b.details(in.WorkflowID(), "succeeded")
	b.shot("close-details-at-the-end")
	b.details(batch, "succeeded")
	b.shot("batch-details-at-the-end")
	again(b, e, in)
	b.open("/workflows")
	b.until("the list", `find("a", "`+in.WorkflowID()+`")`)
	b.shot("list")
}

// again runs a step of the close again that has succeeded, with the JSON of docs/corrections.md.
func again(b *browser, e *harness.Env, in workflows.NightlyCloseInput) {
	_, blocks := harness.Page(b.t, "../../../docs/corrections.md")
	i := slices.IndexFunc(blocks, func(b harness.Block) bool { return strings.Contains(b.Text, `"again":`) })
	input := strings.NewReplacer(`"prod"`, `"`+e.Connection+`"`).Replace(blocks[i].Text)
	var started workflows.NightlyCloseInput
	require.NoError(b.t, json.Unmarshal([]byte(input), &started))
	require.Equal(b.t, in.WorkflowID(), started.WorkflowID())
	triggered := len(e.Calls("trigger"))
	b.open("/workflows/start-workflow?" + url.Values{"workflowId": {in.WorkflowID()}, "taskQueue": {workflows.TaskQueue}, "workflowType": {workflows.NightlyCloseType}}.Encode())
	b.until("a worker", `find("*", "Task Queue is Active")`)
	b.fill(".cm-content", strings.TrimSpace(input))
	b.shot("again")
	b.click("[data-testid=start-workflow-button]", "")
	e.Until("the batch is submitted again", func() bool { return len(e.Calls("trigger")) > triggered })
	require.NoError(b.t, e.Await(e.Temporal.GetWorkflow(b.t.Context(), in.WorkflowID(), ""), nil))
	status, _ := e.Status(in.WorkflowID())
	kept := map[string]bool{}
	for _, s := range status.Steps {
		kept[s.ID] = !s.KeptFrom.IsZero()
	}
	require.True(b.t, kept["ledger"], "%v", kept)
	require.False(b.t, kept["allocate"], "%v", kept)
	b.details(in.WorkflowID(), "again from allocate")
	b.shot("again-at-the-end")
}
