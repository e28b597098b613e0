package console

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
)

// night is a tenant with a console, and what its operators needed.
type night struct {
	*harness.Env
	console *console
	browser *browser.Browser

	mu   sync.Mutex
	rows []row // of the scenarios that were played
}

// row is a scenario with the clicks until an operator knows, and until it is green. To open the page is one.
type row struct {
	name         string
	knows, green int
}

// scenario is something that happens in a night.
type scenario struct {
	name         string
	knows, green int // the most clicks
	play         func(n *night, o *operator)
}

// operator is somebody at the console in a scenario.
type operator struct {
	*browser.Tab
	t     *testing.T
	id    string // of the close
	known int    // the clicks until one knew
}

// The ten scenarios: opening a page is one click, and a button is another. What is dangerous is asked on a page of its
// own, to which a link leads from the first page, which a shift has open.
var scenarios = []scenario{
	{"a batch fails at a task", 1, 2, batchFails},
	{"the answer to a trigger is lost", 1, 2, triggerIsLost},
	{"a file is late", 1, 1, fileIsLate},
	{"a late file is there without its marker", 1, 2, markerIsMissing},
	{"a report never ends", 1, 2, reportNeverEnds},
	{"the wrong date was started", 1, 2, wrongDate},
	{"four eyes", 1, 2, fourEyes},
	{"a deadline is moved before it passes", 1, 2, deadlineIsMoved},
	{"a deadline passes", 1, 2, deadlinePasses},
	{"a batch is held at the service", 1, 1, batchIsHeld},
	{"a step is held", 1, 2, stepIsHeld},
}

// Each of these has a tenant of its own, because it stops everything.
var outages = []scenario{
	{"IAM is down", 1, 1, iamIsDown},
	{"a worker dies during an upload", 1, 1, workerDies},
}

func TestConsole_clicksOfANight(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	main := newNight(t, b, "")
	nights := []*night{main}
	t.Run("nights", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				main.run(t, s)
			})
		}
		for i, s := range outages {
			n := newNight(t, b, fmt.Sprint("-", i))
			nights = append(nights, n)
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				n.run(t, s)
			})
		}
	})
	t.Log(table(nights))
}

func newNight(t *testing.T, b *browser.Browser, name string) *night {
	t.Helper()
	catalog := simulator.DefaultCatalog()
	tasks := []simulator.Task{}
	for i := range 10 {
		tasks = append(tasks, simulator.Task{Code: fmt.Sprintf("T%02d", i+1), Duration: time.Minute})
	}
	tasks[6].FailTimes = 1
	tasks[6].Code = "T07_BALANCE"
	catalog.Batches = append(catalog.Batches, simulator.Batch{Code: "PBSM_TEN", Tasks: tasks})
	catalog.Reports = append(catalog.Reports, simulator.Report{
		Code: "RPT_ENDLESS", Kind: simulator.Profitability, AsOf: harness.AsOf, Duration: 1000 * time.Hour,
	})
	n := &night{browser: b, Env: harness.New(t, harness.Options{
		Name: name, TaskQueue: t.Name() + name, Simulator: simulator.Options{Catalog: catalog},
	})}
	n.console = openConsole(n.Env, behindProxy(n.Connection))
	return n
}

func (n *night) run(t *testing.T, s scenario) {
	o := &operator{Tab: n.console.tab(t, n.browser, "carol", "night", "controllers"), t: t}
	e := *n.Env
	e.T = t // which waits
	s.play(&night{Env: &e, console: n.console, browser: n.browser}, o)
	r := row{s.name, o.known, o.Clicks}
	n.mu.Lock()
	n.rows = append(n.rows, r)
	n.mu.Unlock()
	assert.LessOrEqual(t, r.knows, s.knows, "clicks until one knows")
	assert.LessOrEqual(t, r.green, s.green, "clicks until it is green")
}

func table(nights []*night) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nscenario\tclicks until one knows\tuntil it is green")
	for _, n := range nights {
		for _, r := range n.rows {
			fmt.Fprintf(w, "%s\t%d\t%d\n", r.name, r.knows, r.green)
		}
	}
	_ = w.Flush()
	return text.String()
}

// close is the item of the close on the first page, as JavaScript.
func (o *operator) close() string {
	return fmt.Sprintf(`document.querySelector('li.close:has(a[href="/w/%s"])')`, o.id)
}

// hasOpen is the first page before anything happens: it takes no click.
func (o *operator) hasOpen() {
	o.t.Helper()
	o.Open("/")
	o.Clicks = 0
}

// follows follows a link on the item of the close.
func (o *operator) follows(link string) {
	o.t.Helper()
	o.Until("the close", o.close())
	o.Click(fmt.Sprintf(`li.close:has(a[href="/w/%s"]) a`, o.id), link)
	o.Until("the page", `document.querySelector("form input[name=confirmed]")`)
}

// opens opens the first page, or the page of the close.
func (o *operator) opens(page string) {
	o.t.Helper()
	o.Open(page)
}

func (o *operator) page() string { return "/w/" + o.id }

// knows is what the operator has to read.
func (o *operator) knows(texts ...string) {
	o.t.Helper()
	where := o.close()
	if !browser.Eval[bool](o.Tab, `location.pathname === "/"`) {
		where = "document.querySelector('main')"
	}
	for _, text := range texts {
		o.Until("one knows: "+text, fmt.Sprintf("%s?.innerText.includes(%q)", where, text))
	}
	o.known = o.Clicks
	o.shots("knows")
}

// does answers with a button of a step's form; the whole close has no step.
func (o *operator) does(step, why, button string) {
	o.t.Helper()
	form := fmt.Sprintf(`form[action="/w/%s"]:has(input[name=step][value="%s"])`, o.id, step)
	o.Until("the button "+button, fmt.Sprintf("find(%q, %q)", form+" button", button))
	value := browser.Eval[string](o.Tab, fmt.Sprintf("find(%q, %q).value", form+" button", button))
	form += fmt.Sprintf(`:has(button[value="%s"])`, value)
	o.Type(form+" input[name=why]", why)
	o.Until("the last answer is old", `!document.querySelector(".outcome") || (document.querySelector(".outcome").remove(), true)`)
	o.Click(form+" button", button)
	o.Until("an answer", `document.querySelector(".outcome, form input[name=confirmed]")`)
	o.Shot("answer")
}

// confirms gives a reason, unless one was given before, and presses the button of the page that says what will happen.
func (o *operator) confirms(why, button string) {
	o.t.Helper()
	if why != "" {
		o.Type("form:has(input[name=confirmed]) input[name=why]", why)
	}
	o.Click("form:has(input[name=confirmed]) button", button)
	o.Until("an answer", `document.querySelector(".outcome")`)
}

// green waits until the page shows that the close is done.
func (o *operator) green(n *night, looks string) {
	o.t.Helper()
	require.NoError(o.t, n.Await(n.Temporal.GetWorkflow(o.t.Context(), o.id, ""), nil))
	if browser.Eval[string](o.Tab, "document.body.dataset.page") == "/" {
		o.Until("the close is done", fmt.Sprintf("%s?.classList.contains(%q)", o.close(), looks))
	} else {
		o.Until("the close is done", fmt.Sprintf(`document.querySelector("h1 .state.%s")`, looks))
	}
	o.shots("green")
}

// shots are what the operator sees at first: on a desktop in light, and on a phone in dark.
func (o *operator) shots(name string) {
	o.t.Helper()
	o.Shot(name)
	o.Look(true, true)
	o.Shot(name + "-phone-dark")
	o.Look(false, false)
}

func batchFails(n *night, o *operator) {
	o.id = startClose(n.Env, "fails", "scheduler", "steps:\n  - id: allocate\n    batch: {code: PBSM_TEN}\n")
	o.opens("/")
	o.knows("waits for you", "failed at T07_BALANCE", "6 tasks that are done stay done")
	o.does("allocate", "the rates are loaded", "Restart from T07_BALANCE")
	o.green(n, "done")
}

func triggerIsLost(n *night, o *operator) {
	n.Sim.Inject(simulator.Fault{Call: "trigger", Match: "PBSM_SHORT", Kind: simulator.FaultCloseAfter, Times: 1})
	o.id = startClose(n.Env, "lost", "scheduler", "steps:\n  - id: allocate\n    batch: {code: PBSM_SHORT}\n")
	o.opens("/")
	o.knows("waits for you", "it is not known whether", "Follow the run", "send it again only if nothing had started")
	run := ""
	for _, r := range n.Sim.Runs() {
		if r.Code == "PBSM_SHORT" {
			run = r.ID
		}
	}
	o.Type(fmt.Sprintf(`form[action="/w/%s"] input[name=run_id]`, o.id), run)
	o.does("allocate", "Monitor Batch shows it", "Follow the run")
	o.green(n, "done")
}

// The close continues alone when the file comes, also after an operator was asked.
func fileIsLate(n *night, o *operator) {
	o.id = startClose(n.Env, "late", "scheduler", "steps:\n  - id: ledger\n    upload: {file: inbox/late.csv, wait_until: 2s}\n")
	o.opens("/")
	o.knows("waits for you", "late.csv", "Try again")
	n.Write(n.Inbox, "late.csv", harness.Ledger(10))
	o.green(n, "done")
}

func markerIsMissing(n *night, o *operator) {
	n.Write(n.Inbox, "marked.csv", harness.Ledger(10))
	o.id = startClose(n.Env, "marked", "scheduler",
		"steps:\n  - id: ledger\n    upload: {file: inbox/marked.csv, marker: inbox/marked.done, wait_until: 1h}\n")
	o.opens(o.page())
	o.knows("waits for its file", "wait for inbox/marked.csv")
	o.does("ledger", "treasury says that it is complete", "Start now")
	o.green(n, "done")
}

// A step that runs is interrupted, and skipped, with one command.
func reportNeverEnds(n *night, o *operator) {
	o.id = startClose(n.Env, "endless", "scheduler",
		"deadline: 5s\nsteps:\n  - id: profit\n    report: {code: RPT_ENDLESS, save_to: reports/endless.csv, deadline: 1h}\n")
	o.opens(o.page())
	o.knows("profit", "late by")
	o.Shows("It is stopped first.")
	o.does("profit", "it never ends, and nobody needs it tonight", "Skip this step")
	o.green(n, "exceptions")
}

func wrongDate(n *night, o *operator) {
	o.id = startClose(n.Env, "wrong-date", "ann", "steps:\n  - id: ledger\n    upload: {file: inbox/never.csv, wait_until: 1h}\n")
	o.hasOpen()
	o.follows("Stop the whole close …")
	o.knows("started by ann", harness.AsOf, "Running now: ledger", "What runs is interrupted, and nothing else starts")
	o.confirms("the date is wrong", "Stop the whole close")
	require.Error(o.t, n.Await(n.Temporal.GetWorkflow(o.t.Context(), o.id, ""), nil))
	o.Until("it is cancelled", o.close()+`.innerText.includes("cancelled by carol")`)
	o.Shot("stopped")
}

func fourEyes(n *night, o *operator) {
	o.id = startClose(n.Env, "signed", "carol", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	o.opens("/")
	o.knows("Are the books good")
	o.does("sign-off", "they look good", "Approve")
	o.Shows("another operator must approve")

	dave := &operator{Tab: n.browser.Tab(o.t, "screens-of-dave", n.console.person(o.t, "dave", "controllers")), t: o.t, id: o.id}
	dave.opens("/")
	dave.knows("Are the books good")
	dave.does("sign-off", "compared with last month", "Approve")
	dave.green(n, "done")
	status, _ := n.Status(o.id)
	require.Contains(o.t, status.Steps[0].Result, "approved by dave")
	o.Clicks, o.known = dave.Clicks, dave.known
}

func deadlineIsMoved(n *night, o *operator) {
	o.id = startClose(n.Env, "moved", "scheduler",
		"deadline: 20s\nsteps:\n  - id: ledger\n    upload: {file: inbox/moved.csv, wait_until: 1h}\n")
	o.opens(o.page())
	o.knows("deadline", "waits for its file")
	before, _ := n.Status(o.id)
	o.Type(`form:has(input[name=step][value=""]) input[name=until]`, "1h")
	o.does("", "agreed with treasury", "Move the deadline")
	require.Eventually(o.t, func() bool {
		now, ok := n.Status(o.id)
		return ok && now.Deadline.Sub(before.Deadline) > 30*time.Minute
	}, 20*time.Second, 50*time.Millisecond)
	time.Sleep(time.Until(before.Deadline.Add(time.Second)))
	n.Write(n.Inbox, "moved.csv", harness.Ledger(10))
	o.green(n, "done")
}

func deadlinePasses(n *night, o *operator) {
	o.id = startClose(n.Env, "passed", "scheduler", "deadline: 15s\nsteps:\n  - id: ledger\n    upload: {file: inbox/passed.csv, wait_until: 1h}\n")
	require.Error(o.t, n.Await(n.Temporal.GetWorkflow(o.t.Context(), o.id, ""), nil))
	n.Write(n.Inbox, "passed.csv", harness.Ledger(10))
	o.hasOpen()
	o.follows("Run again from ledger …")
	o.knows("failed", "the deadline passed", "runs again")
	o.confirms("it has come", "Run again from ledger")
	o.green(n, "done")
}

func batchIsHeld(n *night, o *operator) {
	o.id = startClose(n.Env, "held", "scheduler", "steps:\n  - id: allocate\n    batch: {code: PBSM_HELD}\n")
	o.opens("/")
	o.knows("held")
	for _, r := range n.Sim.Runs() {
		if r.Code == "PBSM_HELD" {
			require.NoError(o.t, n.Sim.Operate(r.ID, "release", "T2_CALCULATE"))
		}
	}
	o.green(n, "done")
}

func stepIsHeld(n *night, o *operator) {
	n.Write(n.Inbox, "gl.csv", harness.Ledger(10))
	o.id = startClose(n.Env, "on-hold", "scheduler", "steps:\n  - id: ledger\n    hold: true\n    upload: {file: inbox/gl.csv}\n")
	o.opens(o.page())
	o.knows("held")
	o.does("ledger", "the rates are in", "Release")
	o.green(n, "done")
}

// The page says what is repeated, and the close continues alone once the identity provider is back.
func iamIsDown(n *night, o *operator) {
	n.Sim.Inject(simulator.Fault{Call: "token", Kind: simulator.FaultStatus, Status: 503})
	n.Sim.ExpireTokens(true)
	n.Write(n.Inbox, "gl.csv", harness.Ledger(10))
	o.id = startClose(n.Env, "iam", "scheduler", "steps:\n  - id: ledger\n    upload: {file: inbox/gl.csv}\n")
	o.opens(o.page())
	o.knows("503", "token", "the service's token endpoint answers 503 since")
	n.Sim.ClearFaults()
	o.green(n, "done")
}

// The page says that nothing is heard of the upload, and the next worker resumes it.
func workerDies(n *night, o *operator) {
	harness.WriteNoise(o.t, filepath.Join(n.Inbox, "large.bin"), 8<<20)
	n.Sim.Inject(simulator.Fault{Call: "object-put", Kind: simulator.FaultDelayBefore, Delay: time.Minute, Times: 1})
	o.id = startClose(n.Env, "dies", "scheduler", "steps:\n  - id: ledger\n    upload: {file: inbox/large.bin, name: large.csv}\n")
	o.opens(o.page())
	o.Until("the upload is under way", `document.querySelector("details.step progress")`)
	o.shots("uploads")
	n.Worker.Kill()
	died := time.Now()
	o.knows("ledger sends no heartbeats: if its worker has died, Temporal starts another attempt", "No worker has answered since")
	assert.Less(o.t, time.Since(died), 25*time.Second)
	o.Until("no button works", `document.querySelector("form.commands") && !document.querySelector("form.commands button:enabled")`)
	o.knows("No button works until a worker answers")
	n.StartWorker()
	o.green(n, "done")
}
