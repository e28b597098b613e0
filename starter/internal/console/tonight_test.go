package console

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// failed makes the close of a console one that has failed at its first step.
func failed(c *Console) {
	e := c.board.entries[closeID]
	e.Ended = ten
	e.Status.State, e.Status.Summary = workflows.Failed, "ledger failed"
	e.Status.Steps = []workflows.StepStatus{
		{ID: "ledger", State: workflows.Failed, Detail: "the deadline passed", Commands: []string{workflows.AgainCommand}},
		{ID: "sign-off", State: workflows.NotRun, Needs: []string{"ledger"}, Commands: []string{workflows.AgainCommand}},
	}
	c.board.entries[closeID] = e
}

// The page that asks about a dangerous command is one click from tonight.
func TestTonight_leadsToTheDangerousCommands(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	stop := "/confirm/" + closeID + "?back=%2F&value=cancel"
	body := get(t, c.Handler(), "/").Body.String()
	assert.Contains(t, body, `<a href="`+"/confirm/"+closeID+`?back=%2F&amp;step=&amp;value=cancel">Stop the whole close …</a>`)
	body = get(t, c.Handler(), stop).Body.String()
	assert.Contains(t, body, "Stop the whole close?")
	assert.Contains(t, body, "Running now: ledger, sign-off.")
	assert.Contains(t, body, `<input type="hidden" name="back" value="/">`)

	failed(c)
	body = get(t, c.Handler(), "/").Body.String()
	again := "/confirm/" + closeID + "?back=%2F&step=ledger&value=again"
	assert.Contains(t, body, "Run again from ledger …")
	assert.Contains(t, body, "ledger failed: the deadline passed")
	assert.NotContains(t, body, "Stop the whole close")
	body = get(t, c.Handler(), again).Body.String()
	assert.Contains(t, body, "ledger failed: the deadline passed", "what has happened")
	assert.Contains(t, body, `<th scope="row">sign-off</th>`, "what becomes of each step")
	gone := get(t, c.Handler(), stop)
	assert.Equal(t, http.StatusSeeOther, gone.Code)
	assert.Equal(t, "/", gone.Header().Get("Location"))
	body = get(t, c.Handler(), "/", func(r *http.Request) { r.AddCookie(gone.Result().Cookies()[0]) }).Body.String()
	assert.Contains(t, body, "does not apply any longer")
}

// A field that one of several answers needs says which.
func TestAsk_saysWhichAnswerWantsARunID(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	e := c.board.entries[closeID]
	e.Status.Steps = []workflows.StepStatus{{
		ID:       "allocate",
		Kind:     "batch",
		State:    workflows.Waiting,
		Question: &workflows.Question{Why: "RUN_1 ended as Failure", Choices: []string{workflows.RestartCommand, workflows.DoneCommand}},
		Commands: []string{workflows.DoneCommand},
	}}
	c.board.entries[closeID] = e
	assert.Contains(t, get(t, c.Handler(), "/").Body.String(), "Run id, only for “Mark as done outside” <input")
	e.Status.Steps[0].Question.Choices = []string{workflows.RestartCommand}
	c.board.entries[closeID] = e
	assert.NotContains(t, get(t, c.Handler(), "/").Body.String(), "Run id")
	assert.Contains(t, get(t, c.Handler(), "/w/"+closeID).Body.String(), "Run id, only for “Mark as done outside” <input")
}

func TestConfirm_isForWhoMayAndForWhatIsDangerous(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), config.Role{Group: everyone, Role: config.Viewer})
	assert.NotContains(t, get(t, c.Handler(), "/").Body.String(), "/confirm/")
	assert.Equal(t, http.StatusForbidden, get(t, c.Handler(), "/confirm/"+closeID+"?value=cancel").Code)
	c = newConsole(t, SystemUser("carol"), SystemRoles()...)
	w := get(t, c.Handler(), "/confirm/"+closeID+"?value=approve&step=sign-off&confirmed=yes&why=x")
	require.Equal(t, http.StatusSeeOther, w.Code)
	assert.Equal(t, "/w/"+closeID, w.Header().Get("Location"))
	assert.Equal(t, http.StatusNotFound, get(t, c.Handler(), "/confirm/"+closeID+"%00?value=cancel").Code)
}

// What somebody has cancelled is no failure that waits to be seen to.
func TestHeadOf_countsWhatWasCancelled(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	failed(c)
	e := c.board.entries[closeID]
	e.Status.State, e.Status.Summary = workflows.Cancelled, "cancelled by alice: wrong date"
	c.board.entries[closeID] = e
	body := get(t, c.Handler(), "/").Body.String()
	assert.Contains(t, body, "1 cancelled")
	assert.NotContains(t, body, "1 failed")
	assert.Contains(t, body, "cancelled by alice: wrong date")
	assert.Contains(t, body, "Run again from ledger …")
	assert.NotContains(t, body, `class="wrong"`)
	assert.NotContains(t, body, `class="close failed`)
}

func TestHeadOf_countsWhatFailed(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	failed(c)
	body := get(t, c.Handler(), "/").Body.String()
	assert.Contains(t, body, "1 failed")
	assert.NotContains(t, body, "1 running")
}
