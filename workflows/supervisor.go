package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

const (
	// lookAgain is how often an activity is looked at while its question is open: it may recover without ending.
	lookAgain = 5 * time.Minute
	// slack is how much too early a look may be for its question to be asked.
	slack = 3 * time.Second
)

// supervisor looks after the activities that a workflow awaits: Temporal repeats them without end, and the workflow
// sees nothing of it. One that makes no progress for askAfter becomes a question to the operator, which is withdrawn
// when the activity progresses again. At its deadline an activity is cancelled; a timeout of Temporal's could not be
// moved, would not end an activity that is paused, and would not wait for the answer to a submission on its way.
//
// One timer serves all activities, and runs on when they end: it costs a workflow one event, and an activity that ends
// within askAfter none.
type supervisor struct {
	askAfter time.Duration // 0: it never asks
	reporter *statusReporter
	workflow workflow.Context
	awaited  []*awaited
	started  int
}

// superviseUntilEnd begins the supervision of a workflow's activities, also of those that it executes once it is
// cancelled; then it asks nothing.
func superviseUntilEnd(ctx workflow.Context, askAfter time.Duration, reporter *statusReporter) *supervisor {
	s := &supervisor{askAfter: askAfter, reporter: reporter, workflow: ctx}
	uncancelled, _ := workflow.NewDisconnectedContext(ctx)
	workflow.Go(uncancelled, s.run)
	return s
}

// awaited is an activity that a workflow awaits.
type awaited struct {
	workflow.Future
	supervisor *supervisor
	id         string
	summary    string
	started    time.Time
	deadline   *deadline
	cancel     func()

	due      time.Time // the next look; zero: none
	troubled time.Time // since when it makes no progress
	last     activities.PendingActivity
	question *Question
	ended    error // with which the supervisor ended it
	unsent   bool  // of a submission that was ended: it had certainly not been sent
}

// execute starts an activity under supervision, unless its deadline has passed. nil supervises nothing.
func (s *supervisor) execute(ctx workflow.Context, activity, input any, summary string, until *deadline) *awaited {
	ctx, cancel := workflow.WithCancel(ctx)
	a := &awaited{supervisor: s, summary: summary, started: workflow.Now(ctx), deadline: until, cancel: cancel}
	if s == nil {
		a.Future = workflow.ExecuteActivity(ctx, activity, input)
		return a
	}
	if until.passed(ctx) {
		settled, settle := workflow.NewFuture(ctx)
		settle.SetError(temporal.NewCanceledError())
		a.Future, a.ended, a.unsent = settled, deadlinePassed(), true
		return a
	}
	s.started++
	a.id = fmt.Sprint("call-", s.started)
	if s.askAfter > 0 {
		a.due = a.started.Add(s.askAfter)
	}
	options := workflow.GetActivityOptions(ctx)
	options.ActivityID = a.id
	a.Future = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, input)
	s.awaited = append(s.awaited, a)
	return a
}

// Get waits for the activity. An error because of the deadline says what was last tried.
func (a *awaited) Get(ctx workflow.Context, result any) error {
	err := a.Future.Get(ctx, result)
	if a.supervisor != nil {
		a.supervisor.withdraw(ctx, a)
	}
	switch {
	case err == nil:
		return nil
	case a.ended != nil && temporal.IsCanceledError(err):
		err = withUnfinished(a.ended, unfinishedIn(err))
	case !deadlineHit(err):
		return err
	}
	if errorType(err) == GivenUp {
		return err
	}
	return &deadlineError{error: err, last: a.lastTried(err), unsent: a.ended != nil && a.unsent}
}

// withUnfinished adds what a transfer left to the error with which it was ended.
func withUnfinished(ended error, unfinished activities.SealedTransfer) error {
	if unfinished == "" {
		return ended
	}
	return failure(errorType(ended), reason(ended), activities.Refusal{}, unfinished)
}

// deadlineError is the error of an activity that ended because of its deadline.
type deadlineError struct {
	error
	last   string // what was last tried; empty if it is not known
	unsent bool   // of a submission: it has certainly not been sent
}

func (e *deadlineError) Unwrap() error { return e.error }

func (a *awaited) lastTried(err error) string {
	if errorType(err) == activities.StillWaiting {
		text, _ := activities.LastFailure(err)
		return text
	}
	if a.last.Last == "" {
		return a.last.Trouble
	}
	text := a.last.Last
	if !a.last.At.IsZero() {
		text += " on " + a.supervisor.reporter.current.times().Exact(a.last.At)
	}
	return text
}

// next is when to look at an activity; false: never.
func (a *awaited) next() (time.Time, bool) {
	at := a.deadline.moment()
	switch {
	case a.IsReady() || a.ended != nil:
		return time.Time{}, false
	case at.IsZero() || !a.due.IsZero() && a.due.Before(at):
		at = a.due
	}
	return at, !at.IsZero()
}

// next is when to look at the first of the activities; false: never.
func (s *supervisor) next() (first time.Time, found bool) {
	for _, a := range s.awaited {
		if at, ok := a.next(); ok && (!found || at.Before(first)) {
			first, found = at, true
		}
	}
	return first, found
}

// run looks at the activities when they are due.
func (s *supervisor) run(ctx workflow.Context) {
	for {
		at, found := s.next()
		sooner := func() bool {
			first, ok := s.next()
			return ok && (!found || first.Before(at)) || s.mustBeQuiet()
		}
		changed, err := (&deadline{at: at}).await(ctx, "look after the activities", sooner)
		switch {
		case err != nil:
			return
		case s.mustBeQuiet():
			s.beQuiet(ctx)
		case !changed:
			s.look(ctx)
		}
	}
}

// mustBeQuiet reports whether the workflow has been cancelled: it asks nothing any more.
func (s *supervisor) mustBeQuiet() bool { return s.askAfter > 0 && s.workflow.Err() != nil }

func (s *supervisor) beQuiet(ctx workflow.Context) {
	s.askAfter = 0
	for _, a := range s.awaited {
		a.due = time.Time{}
		s.withdraw(ctx, a)
	}
}

var lookOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: 10 * time.Second,
	RetryPolicy:            retryPolicy,
	Summary:                "read the retries of the activities",
}

// look judges the activities that are due.
func (s *supervisor) look(ctx workflow.Context) {
	isDue := func(a *awaited) bool {
		at, ok := a.next()
		return ok && !at.After(workflow.Now(ctx))
	}
	s.awaited = slices.DeleteFunc(s.awaited, func(a *awaited) bool { return a.IsReady() && a.question == nil })
	if !slices.ContainsFunc(s.awaited, isDue) {
		return
	}
	var pending []activities.PendingActivity
	local := workflow.WithLocalActivityOptions(ctx, lookOptions)
	if err := workflow.ExecuteLocalActivity(local, "PendingActivities").Get(ctx, &pending); err != nil {
		workflow.GetLogger(ctx).Warn("the retries of the activities could not be read", "error", reason(err))
	}
	for _, a := range s.awaited {
		if a.IsReady() {
			s.withdraw(ctx, a)
			continue
		}
		if !isDue(a) {
			continue
		}
		i := slices.IndexFunc(pending, func(p activities.PendingActivity) bool { return p.ID == a.id })
		a.unsent = i >= 0 && !pending[i].Sending
		if i >= 0 {
			s.judge(ctx, a, pending[i])
		} else if s.askAfter > 0 { // Temporal did not answer, or the activity has just ended
			a.due = workflow.Now(ctx).Add(lookAgain)
		}
		if a.deadline.passed(ctx) {
			s.end(a, deadlinePassed())
		}
	}
}

func deadlinePassed() error { return failure(DeadlinePassed, "the deadline passed") }

// judge asks the operator about an activity that has made no progress for too long, or withdraws the question.
func (s *supervisor) judge(ctx workflow.Context, a *awaited, found activities.PendingActivity) {
	now := workflow.Now(ctx)
	before := a.last
	a.last = found
	if s.askAfter == 0 {
		return
	}
	if found.Trouble == "" {
		s.withdraw(ctx, a)
		a.troubled, a.due = time.Time{}, now.Add(s.askAfter)
		return
	}
	since := found.Since
	switch {
	case since.IsZero():
		since = a.started
	case found.Moved > 0 && found.Moved == before.Moved && !a.troubled.IsZero():
		since = a.troubled // a transfer that has moved nothing since the last look
	}
	a.troubled, a.due = since, since.Add(s.askAfter)
	if !a.due.After(now.Add(slack)) {
		a.due = now.Add(min(s.askAfter, lookAgain))
		s.ask(ctx, a)
	}
}

// giveUpChoice is what an operator can answer about an activity that makes no progress.
const giveUpChoice = DecideCommand + " " + GiveUp

// ask asks the operator about an activity, unless it is asked already.
func (s *supervisor) ask(ctx workflow.Context, a *awaited) {
	if a.question != nil {
		return
	}
	a.question = &Question{
		Why: fmt.Sprintf("%s: since %s it %s. It continues automatically once the cause is fixed; to end it as failed, give it up",
			a.summary, s.reporter.current.times().Text(a.troubled), a.last.Trouble),
		Choices:  []string{giveUpChoice},
		Deadline: a.deadline.moment(),
	}
	s.reporter.raise(ctx, a.question)
}

// withdraw ends the question about an activity.
func (s *supervisor) withdraw(ctx workflow.Context, a *awaited) {
	if a.question == nil {
		return
	}
	s.reporter.withdraw(ctx, a.question)
	a.question = nil
	if a.ended == nil {
		s.reporter.log(ctx, LogEntry{What: a.summary + ": the question was withdrawn"})
	}
}

func (s *supervisor) end(a *awaited, err error) {
	a.ended = err
	a.cancel()
}

// choices are the commands that the supervisor takes now.
func (s *supervisor) choices() []string {
	if s.asking() == nil {
		return nil
	}
	return []string{giveUpChoice}
}

// asking is the activity about which the operator is asked, or nil.
func (s *supervisor) asking() *awaited {
	if s == nil {
		return nil
	}
	for _, a := range s.awaited {
		if a.question != nil && a.ended == nil && !a.IsReady() {
			return a
		}
	}
	return nil
}

// answer takes the operator's answer, and reports whether the command was one.
func (s *supervisor) answer(ctx workflow.Context, c *command) bool {
	a := s.asking()
	if a == nil || c.choice() != giveUpChoice {
		return false
	}
	s.end(a, failure(GivenUp, fmt.Sprintf("given up: %s: it %s", a.summary, a.last.Trouble)))
	s.reporter.log(ctx, c.entry("given up: "+a.summary))
	status := s.reporter.status()
	c.reply(CommandResult{State: status.State, RunID: status.RunID, Message: "given up: " + a.summary})
	return true
}
