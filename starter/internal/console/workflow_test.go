package console

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A page that was opened before the close had its plan shows the steps later.
func TestWorkflow_hasEveryFragmentFromTheStart(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	e := c.board.entries[closeID]
	e.Status.Steps = nil
	c.board.entries[closeID] = e
	body := get(t, c.Handler(), "/w/"+closeID).Body.String()
	assert.Contains(t, body, `<a href="#commands">its commands</a>`, "they are far down on a phone")
	for _, id := range []string{"head", "questions", "graph", "timeline", "steps", "tasks", "commands", "log", "foot"} {
		assert.Contains(t, body, `<section id="`+id+`"`)
	}
	assert.NotContains(t, body, "What each step does")
}

func TestWorkflow_oddIDsAreNotFound(t *testing.T) {
	h := newConsole(t, SystemUser("carol"), SystemRoles()...).Handler()
	for _, id := range []string{"", "%00", "%ff%fe", "a%0d%0aSet-Cookie:x=y", "caf%C3%A9"} {
		w := get(t, h, "/w/"+id)
		assert.Equal(t, http.StatusNotFound, w.Code, id)
		assert.Contains(t, w.Body.String(), "or it is not yours to see")
		assert.Equal(t, http.StatusNotFound, post(t, h, "/w/"+id, url.Values{"value": {"cancel"}}).Code, id)
	}
}

// Only the step's own workflow knows whether its file has come.
func TestWithDetails_fileHasCome(t *testing.T) {
	until := ten.Add(time.Hour)
	steps := []workflows.StepStatus{{
		ID: "ledger", State: workflows.Running, WorkflowID: "x/ledger", WaitUntil: until,
		Commands: []string{workflows.ExtendCommand, workflows.StartCommand},
	}}
	waits := view.Snapshot{Children: map[string]workflows.Status{"x/ledger": {WaitUntil: until}}}
	assert.Equal(t, "waits for its file", lookOfStep(withDetails(steps, waits)[0], ten).Word)
	sends := view.Snapshot{Children: map[string]workflows.Status{"x/ledger": {}}}
	sent := withDetails(steps, sends)[0]
	assert.Equal(t, "running", lookOfStep(sent, ten).Word)
	assert.Equal(t, []string{workflows.ExtendCommand}, sent.Commands)
	assert.Contains(t, steps[0].Commands, workflows.StartCommand, "the board's entry is not changed")
	assert.Equal(t, steps, withDetails(steps, view.Snapshot{}))
}

// The tasks of a batch are what one looks for on the page of a close that failed.
func TestWorkflow_tasksOfWhatFailed(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	failed(c)
	e := c.board.entries[closeID]
	e.Status.Steps[0].Kind, e.Status.Steps[0].WorkflowID = "batch", "the batch"
	c.board.entries["the batch"] = entry{ID: "the batch", Type: workflows.RunBatchType, Ended: ten, Status: workflows.Status{
		Type: workflows.RunBatchType, State: workflows.Failed, Tasks: []workflows.Task{{Code: "ALLOC_INCOME", StatusCode: "-1"}},
	}}
	assert.Contains(t, get(t, c.Handler(), "/w/"+closeID).Body.String(), "<strong>ALLOC_INCOME</strong>")
}

func TestWantsAttention(t *testing.T) {
	running := workflows.StepStatus{State: workflows.Running}
	late := workflows.Status{Deadline: ten.Add(-time.Minute)}
	assert.True(t, wantsAttention(workflows.Status{}, workflows.StepStatus{State: workflows.Waiting}, ten))
	assert.True(t, wantsAttention(workflows.Status{}, workflows.StepStatus{State: workflows.Failed}, ten))
	assert.True(t, wantsAttention(workflows.Status{}, workflows.StepStatus{State: workflows.Running, WaitUntil: ten.Add(time.Hour)}, ten))
	assert.True(t, wantsAttention(late, running, ten), "the close is late")
	assert.True(t, wantsAttention(workflows.Status{AtRisk: "it will be"}, running, ten))
	assert.False(t, wantsAttention(workflows.Status{}, running, ten))
	assert.False(t, wantsAttention(late, workflows.StepStatus{State: workflows.Pending}, ten))
}

func TestRole_saysAllThatSomebodyMay(t *testing.T) {
	roles := []config.Role{{Group: "audit", Role: config.Viewer}, {Group: "night", Role: config.Operator}, {Group: "controllers", Role: config.Approver}}
	for want, groups := range map[string][]string{
		"viewer": {"audit"}, "operator": {"night", "audit"}, "approver": {"controllers"}, "operator and approver": {"night", "controllers"}, "": {"others"},
	} {
		assert.Equal(t, want, access{Person{"carol", groups}, roles}.role())
	}
}

func TestAsk_anApprovalIsRefused(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	p := page{Who: access{Person{"carol", []string{everyone}}, SystemRoles()}, Now: ten}
	for _, q := range questions(c.board.all()) {
		a := c.ask(&p, q)
		if q.Step.ID == "sign-off" {
			require.Len(t, a.Button, 2)
			assert.Equal(t, "Refuse", a.Button[1].Text)
		}
	}
}

func TestConfirm_saysWhichCloseAndWhatRuns(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	body := post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {"cancel"}, "why": {"the wrong date"}}).Body.String()
	assert.Contains(t, body, "nightly-close · prod")
	assert.Contains(t, body, "Running now: ledger, sign-off.")
	body = post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {"again"}, "why": {"the wrong date"}}).Body.String()
	assert.Contains(t, body, "Run everything again?")
}
