package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Snapshot is the status of a workflow at a time, with the statuses of its steps' own workflows.
type Snapshot struct {
	ID     string
	Status workflows.Status
	// Children are the statuses of steps that run or wait, by workflow id.
	Children map[string]workflows.Status
	// Transfers are those under way, by workflow id; the workflow's own among them.
	Transfers map[string]Transfer
	Now       time.Time
	// Notes say why not more is known.
	Notes []string
	// Starter is how operators call the starter, for the commands that answer.
	Starter config.Starter
}

// Transfer is the progress of a file, in bytes. Total is 0 while unknown.
type Transfer = workflows.TransferProgress

// Live shows a workflow on a terminal of so many cells.
func (s Style) Live(j Snapshot, width, height int) []string {
	lines := append(s.head(j, width), s.notes(j, width)...)
	lines = append(lines, "")
	foot := s.Questions(j, width)
	room := height - len(lines) - len(foot)
	lines = append(lines, s.body(j, width, room)...)
	return append(lines, foot...)
}

// minID is how many cells of an id are always shown.
const minID = 8

// Snapshot shows a workflow once: nothing is folded, and the log is shown too.
func (s Style) Snapshot(j Snapshot, width int) []string {
	lines := append(s.head(j, width), s.notes(j, width)...)
	lines = append(lines, "")
	lines = append(lines, s.body(j, width, len(j.Status.Steps))...)
	lines = append(lines, s.log(j.Status.Log, clock.In(j.Status.TimeZone), width)...)
	return append(lines, s.Questions(j, width)...)
}

func (s Style) head(j Snapshot, width int) []string {
	state := s.glyph(j.Status.State) + " " + s.state(j.Status.State)
	if !j.Status.StartedAt.IsZero() {
		state += "  " + Duration(j.end().Sub(j.Status.StartedAt))
	}
	id := j.ID
	if width > 0 {
		id = Clip(id, max(width-Width(state)-gap, minID))
	}
	lines := []string{Clip(s.paint(bold, id)+"  "+state, width)}
	if j.Status.Summary != "" {
		lines = append(lines, Clip("  "+oneLine(j.Status.Summary), width))
	}
	if t, ok := j.Transfers[j.ID]; ok {
		lines = append(lines, Clip("  "+s.transfer(t), width))
	}
	if times := j.times(j.Status.Deadline, j.Status.WaitUntil); times != "" && !j.Status.State.Done() {
		lines = append(lines, Clip("  "+times, width))
	}
	return lines
}

// times are the deadline of what has not ended, and until when a file is awaited.
func (j Snapshot) times(deadline, waitUntil time.Time) string {
	var parts []string
	zone := clock.In(j.Status.TimeZone)
	if waitUntil.After(j.Now) {
		parts = append(parts, "waits for its file until "+zone.TextAt(j.Now, waitUntil))
	}
	switch {
	case deadline.IsZero():
	case deadline.After(j.Now):
		parts = append(parts, "deadline "+zone.TextAt(j.Now, deadline)+", in "+Duration(deadline.Sub(j.Now)))
	default:
		parts = append(parts, "its deadline has passed, it was "+zone.TextAt(j.Now, deadline))
	}
	return strings.Join(parts, "; ")
}

func (j Snapshot) end() time.Time {
	if j.Status.State.Done() {
		return j.Status.ChangedAt
	}
	return j.Now
}

// notes are what an operator should know first.
func (j Snapshot) notes() []string {
	if j.Status.AtRisk == "" {
		return j.Notes
	}
	return append([]string{j.Status.AtRisk}, j.Notes...)
}

// notes come first: they are shown even where the rest has no room.
func (s Style) notes(j Snapshot, width int) []string {
	var lines []string
	for _, note := range j.notes() {
		for _, line := range Indent("  ", note, width) {
			lines = append(lines, s.paint(yellow, line))
		}
	}
	return lines
}

// Questions shows the questions, with the commands that answer them.
func (s Style) Questions(j Snapshot, width int) []string {
	var lines []string
	for _, q := range Questions(j) {
		lines = append(lines, "")
		lines = append(lines, s.question(q, j.Now, width)...)
	}
	return lines
}

func (s Style) body(j Snapshot, width, room int) []string {
	switch {
	case len(j.Status.Steps) > 0:
		return s.steps(j, width, room)
	case len(j.Status.Tasks)+len(j.Status.Batches) > 0:
		return s.tasks(j.Status.Tasks, j.Status.Batches, width)
	}
	return nil
}

var stepColumns = []Column{{}, {Optional: true}, {Right: true, Optional: true}, {}}

func (s Style) steps(j Snapshot, width, room int) []string {
	var rows [][]string
	steps := slices.Clone(j.Status.Steps)
	for i := range steps {
		steps[i].State = j.state(steps[i])
	}
	for _, line := range fold(steps, room) {
		if line.step == nil {
			rows = append(rows, []string{"  " + s.glyph(line.state) + " " + line.text, "", "", ""})
			continue
		}
		step := *line.step
		rows = append(rows, []string{
			"  " + s.glyph(step.State) + " " + step.ID,
			s.paint(faint, step.Kind), stepDuration(step, j.Now), s.stepDetail(j, step) + suffix("  ", j.stepTimes(step)),
		})
	}
	return Table(stepColumns, rows, width)
}

// state is the state of a step: that of its own workflow while that runs.
func (j Snapshot) state(step workflows.StepStatus) workflows.State {
	child, ok := j.Children[step.WorkflowID]
	if ok && !step.State.Done() && !child.State.Done() && step.State != workflows.Waiting {
		return child.State
	}
	return step.State
}

type stepLine struct {
	step  *workflows.StepStatus
	state workflows.State
	text  string
}

// fold omits what is not needed now when there are more steps than room: first the steps that are done,
// then those to come.
func fold(steps []workflows.StepStatus, room int) []stepLine {
	in, hidden := map[workflows.State]int{}, map[workflows.State]int{}
	for _, step := range steps {
		in[step.State]++
	}
	count := len(steps)
	for _, state := range []workflows.State{workflows.Succeeded, workflows.Pending} {
		if n := in[state]; n > 1 && count > max(room, 3) {
			hidden[state] = n
			count -= n - 1
		}
	}
	var lines []stepLine
	folded := map[workflows.State]bool{}
	for i, step := range steps {
		n := hidden[step.State]
		switch {
		case n == 0:
			lines = append(lines, stepLine{step: &steps[i]})
		case !folded[step.State]:
			folded[step.State] = true
			text := Plural(n, "step") + " done"
			if step.State == workflows.Pending {
				text = Plural(n, "step") + " to come"
			}
			lines = append(lines, stepLine{state: step.State, text: text})
		}
	}
	return lines
}

func stepDuration(step workflows.StepStatus, now time.Time) string {
	switch {
	case step.StartedAt.IsZero():
		return ""
	case !step.EndedAt.IsZero():
		return Duration(step.EndedAt.Sub(step.StartedAt))
	}
	return Duration(now.Sub(step.StartedAt))
}

func (s Style) stepDetail(j Snapshot, step workflows.StepStatus) string {
	child, known := j.Children[step.WorkflowID]
	transfer, moving := j.Transfers[step.WorkflowID]
	switch {
	case step.State == workflows.Pending && step.StartedAt.IsZero() && len(step.Needs) > 0:
		return s.paint(faint, "after "+strings.Join(step.Needs, ", "))
	case step.State.Done() || !known:
		return oneLine(step.Detail)
	case moving:
		return s.transfer(transfer)
	}
	ended, total := taskCounts(child)
	if total == 0 {
		ended, total = memberCounts(child)
	}
	// The summary of a run that has ended says what is next. The question below it has the run id, which is long.
	if total == 0 || pbsm.StatusCode(child.StatusCode).Terminal() {
		return oneLine(strings.TrimPrefix(child.Summary, child.RunID+" "))
	}
	return fmt.Sprintf("%s %s%s", s.bar(ended, total), counted(child), s.paint(faint, suffix("  ", child.RunID)))
}

// stepTimes are the times of a step that are not those of the close: "file until 01:30 EDT, by 05:00 EDT".
func (j Snapshot) stepTimes(step workflows.StepStatus) string {
	var parts []string
	zone := clock.In(j.Status.TimeZone)
	_, moving := j.Transfers[step.WorkflowID]
	if step.WaitUntil.After(j.Now) && !moving {
		parts = append(parts, "file until "+zone.TextAt(j.Now, step.WaitUntil))
	}
	if !step.Deadline.IsZero() && !step.Deadline.Equal(j.Status.Deadline) {
		parts = append(parts, "by "+zone.TextAt(j.Now, step.Deadline))
	}
	if step.State.Done() {
		return ""
	}
	return strings.Join(parts, ", ")
}

func suffix(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func (s Style) transfer(t Transfer) string {
	if t.Total <= 0 {
		return Bytes(t.Done)
	}
	text := fmt.Sprintf("%s %s of %s", s.bar(t.Done, t.Total), Bytes(t.Done), Bytes(t.Total))
	if t.Rate > 0 {
		text += fmt.Sprintf(", %s/s", Bytes(t.Rate))
	}
	if t.Remaining > 0 {
		text += ", " + Duration(t.Remaining) + " left"
	}
	return text
}

// taskCounts counts the tasks of a run that have ended, and all of them; of a group, those of all its batches.
func taskCounts(st workflows.Status) (ended, total int64) {
	count := func(tasks []workflows.Task) {
		for _, t := range tasks {
			total++
			if code := pbsm.StatusCode(t.StatusCode); code.Terminal() || code == pbsm.CodeExcluded {
				ended++
			}
		}
	}
	count(st.Tasks)
	for _, member := range st.Batches {
		count(member.Tasks)
	}
	return ended, total
}

func memberCounts(st workflows.Status) (ended, total int64) {
	for _, member := range st.Batches {
		if pbsm.StatusCode(member.StatusCode).Terminal() {
			ended++
		}
	}
	return ended, int64(len(st.Batches))
}

func counted(st workflows.Status) string {
	var parts []string
	if ended, total := memberCounts(st); total > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d batches", ended, total))
	}
	if ended, total := taskCounts(st); total > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tasks", ended, total))
	}
	return strings.Join(parts, ", ")
}

func (s Style) tasks(tasks []workflows.Task, members []workflows.MemberRun, width int) []string {
	var rows [][]string
	add := func(indent, what, code, text string) {
		if text == "" {
			text = pbsm.StatusCode(code).Text()
		}
		rows = append(rows, []string{indent + s.glyph(taskState(code)) + " " + oneLine(what), s.paint(faint, oneLine(text))})
	}
	for _, t := range tasks {
		add("  ", t.Code, t.StatusCode, t.Status)
	}
	for _, member := range members {
		add("  ", member.RunID, member.StatusCode, member.Status)
		for _, t := range member.Tasks {
			add("    ", t.Code, t.StatusCode, t.Status)
		}
	}
	return Table([]Column{{}, {}}, rows, width)
}
