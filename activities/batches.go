package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// TriggerBatchInput is the batch or batch group to trigger. Source: chapter 10, Execution API.
type TriggerBatchInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	Group      bool   `json:"group,omitempty"`
	// Params are a batch's; a group's are in Batches.
	Params        map[string]string `json:"params,omitempty"`
	Batches       []BatchParams     `json:"batches,omitempty"`
	IncludedTasks []string          `json:"included_tasks,omitempty"`
	ExcludedTasks []string          `json:"excluded_tasks,omitempty"`
	HeldTasks     []string          `json:"held_tasks,omitempty"`
	// TaskParams are the parameters of single tasks of a batch, by task code.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
	// GroupDate is the as-of date of a group's members that are not in Batches. It is sent where the tenant takes it.
	GroupDate string `json:"group_date,omitempty"`
	Application
}

// BatchParams are the parameters of one batch of a group.
type BatchParams struct {
	Code       string                       `json:"code"`
	Params     map[string]string            `json:"params"`
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
}

// RunInput names a run of a batch or a batch group.
type RunInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	RunID      string `json:"run_id"`
	Application
}

// Run is the service's response to a trigger, an interrupt, a rerun or a restart.
type Run struct {
	RunID string `json:"run_id"`
	// Text is the service's own.
	Text string `json:"text,omitempty"`
	// AlreadyInterrupted: the run had been interrupted before (code -7).
	AlreadyInterrupted bool `json:"already_interrupted,omitempty"`
	// Sender is the worker that made the call.
	Sender audit.Sender `json:"sender,omitzero"`
}

// BatchStatusInput asks for a run's status once it differs from Poll.Known.
type BatchStatusInput struct {
	RunInput
	Poll
	// Tasks limits the status to these task codes.
	Tasks []string `json:"tasks,omitempty"`
	// Submitted says that the run was submitted at Since: for a moment, the service may not know it yet.
	Submitted bool `json:"submitted,omitempty"`
	// Before is the fingerprint of the status before a restart, which the service may still show for that moment.
	Before string `json:"before,omitempty"`
}

// BatchStatus is the status of a run. The codes are those of chapter 10, table 10-1.
type BatchStatus struct {
	RunID   string        `json:"run_id"`
	Code    string        `json:"code"`
	Text    string        `json:"text"`
	Tasks   []TaskStatus  `json:"tasks,omitempty"`
	Batches []BatchStatus `json:"batches,omitempty"`
}

// TaskStatus is the status of a task of a run.
type TaskStatus struct {
	Code       string `json:"code"`
	StatusCode string `json:"status_code"`
	Text       string `json:"text"`
}

// Fingerprint is what BatchStatus compares with Poll.Known. It holds codes only, as texts may vary,
// and does not depend on the order of tasks and members, about which the document promises nothing.
func (s BatchStatus) Fingerprint() string {
	var tasks, members []string
	for _, t := range s.Tasks {
		tasks = append(tasks, ","+t.Code+"="+t.StatusCode)
	}
	for _, m := range s.Batches {
		members = append(members, ";"+m.Fingerprint())
	}
	slices.Sort(tasks)
	slices.Sort(members)
	return s.RunID + "=" + s.Code + strings.Join(tasks, "") + strings.Join(members, "")
}

// State names the state of the run: as the document does, where it lists the code, because the
// service's own texts may vary.
func (s BatchStatus) State() string {
	if text := pbsm.StatusCode(s.Code).Text(); text != "" {
		return text
	}
	if s.Text == "" {
		return "in an unknown state, code " + s.Code
	}
	return fmt.Sprintf("in an unknown state, code %s (%s)", s.Code, s.Text)
}

// Progress counts the tasks of a batch, or the batches of a group: those that have ended, and all.
func (s BatchStatus) Progress() (ended, all int) {
	count := func(code string) {
		all++
		if c := pbsm.StatusCode(code); c.Terminal() || c == pbsm.CodeExcluded {
			ended++
		}
	}
	for _, t := range s.Tasks {
		count(t.StatusCode)
	}
	for _, m := range s.Batches {
		count(m.Code)
	}
	return ended, all
}

// TriggerBatch triggers a batch or a batch group, at most once over all its attempts.
func (a *Activities) TriggerBatch(ctx context.Context, in TriggerBatchInput) (Run, error) {
	request := pbsm.TriggerRequest{
		Code:          in.Code,
		Type:          pbsm.Batch,
		Params:        in.Params,
		IncludedTasks: in.IncludedTasks,
		ExcludedTasks: in.ExcludedTasks,
		HeldTasks:     in.HeldTasks,
		TaskParams:    in.TaskParams,
	}
	if in.Group {
		request.Type, request.AsOf = pbsm.BatchGroup, in.GroupDate
		for _, b := range in.Batches {
			request.Batches = append(request.Batches, pbsm.BatchParams{
				BatchName: b.Code, Params: b.Params, TaskParams: b.TaskParams,
			})
		}
	}
	return a.submitOnce(ctx, in.Connection, "the trigger of "+in.Code,
		func(ctx context.Context, service *pbsm.Client) (pbsm.Run, error) {
			return service.For(pbsm.Application(in.Application)).Trigger(ctx, request)
		})
}

// RerunBatch runs a batch again from its first task. It is submitted at most once.
func (a *Activities) RerunBatch(ctx context.Context, in RunInput) (Run, error) {
	return a.submitOnce(ctx, in.Connection, "the rerun of "+in.RunID,
		func(ctx context.Context, service *pbsm.Client) (pbsm.Run, error) {
			return service.For(pbsm.Application(in.Application)).Rerun(ctx, in.Code, in.RunID)
		})
}

// RestartBatch continues a run from its failed task. It is submitted at most once.
func (a *Activities) RestartBatch(ctx context.Context, in RunInput) (Run, error) {
	return a.submitOnce(ctx, in.Connection, "the restart of "+in.RunID,
		func(ctx context.Context, service *pbsm.Client) (pbsm.Run, error) {
			return service.For(pbsm.Application(in.Application)).Restart(ctx, in.Code, in.RunID)
		})
}

// InterruptBatch asks the service to stop a run. It is safe to repeat: it succeeds for a run that is
// interrupted already, and fails as Refused, with code -8, for one that is not ongoing.
func (a *Activities) InterruptBatch(ctx context.Context, in RunInput) (Run, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Run{}, err
	}
	response, err := conn.serviceFor(in.Application).Interrupt(ctx, in.Code, in.RunID)
	run := newRun(response)
	run.Sender = conn.sender()
	return run, classifyCall(ctx, err)
}

// BatchStatus returns the status of a run once it differs from the one that the workflow knows.
func (a *Activities) BatchStatus(ctx context.Context, in BatchStatusInput) (BatchStatus, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return BatchStatus{}, err
	}
	if polledJustNow(ctx, in.Poll) {
		return BatchStatus{}, a.stillWaiting(ctx, in.Since, "%s was polled a moment ago", in.RunID)
	}
	response, err := conn.serviceFor(in.Application).Status(ctx, in.RunID, in.Tasks...)
	switch {
	case err != nil && in.Submitted:
		return BatchStatus{}, a.classifyRequested(ctx, in.Since, in.RunID, err)
	case err != nil:
		return BatchStatus{}, a.classifyPoll(ctx, in.Since, err)
	}
	status := newBatchStatus(response)
	settling := in.Submitted && a.settles(in.Since)
	if found := status.Fingerprint(); found == in.Known || settling && found == in.Before {
		ended, all := status.Progress()
		return BatchStatus{}, a.stillWaiting(ctx, in.Since, "%s: %s for %s, %d of %d done",
			in.RunID, status.State(), time.Since(in.Since).Round(time.Second), ended, all)
	}
	return status, nil
}

func newRun(r pbsm.Run) Run {
	return Run{RunID: r.ID, Text: cmp.Or(r.Summary, r.Details), AlreadyInterrupted: r.AlreadyInterrupted}
}

func newBatchStatus(s pbsm.RunStatus) BatchStatus {
	status := BatchStatus{RunID: s.RunID, Code: string(s.Code), Text: cmp.Or(s.Text, s.Code.Text())}
	for _, t := range s.Tasks {
		status.Tasks = append(status.Tasks, TaskStatus{Code: t.Code, StatusCode: string(t.Status), Text: cmp.Or(t.Text, t.Status.Text())})
	}
	for _, b := range s.Batches {
		status.Batches = append(status.Batches, newBatchStatus(b))
	}
	return status
}
