package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// What the census observes.
const (
	waitingGauge        = "pbsm_workflows_waiting"
	temporalUpGauge     = "pbsm_temporal_up"
	lastSuccessGauge    = "pbsm_close_last_success_timestamp"
	nightsMissedCounter = "pbsm_schedule_nights_missed"
	schedulePausedGauge = "pbsm_schedule_paused"
	lastNightGauge      = "pbsm_schedule_last_night_timestamp"
	nightBegunGauge     = "pbsm_schedule_last_night_begun"
	nightClosedGauge    = "pbsm_schedule_last_night_closed"
	loginRefusedGauge   = "pbsm_login_refused"
	storeUpGauge        = "pbsm_store_up"
)

const (
	censusTimeout = 20 * time.Second
	// censusCloses is how many of a connection's last successes are looked at, to find each pipeline's.
	censusCloses = 200
	// censusAsked is how many closes of a connection that wait are asked for what; a census waits so long for all answers.
	censusAsked    = 50
	censusPatience = 5 * time.Second
	censusAtOnce   = 8
)

// What is asked, as the label asked says it. An approval may be left for the morning; everything
// else is a decision, without which the night stands still.
const (
	decision = "decision"
	approval = "approval"
)

// census asks Temporal every now and then what waits and how the schedules fare, and looks at the stores. A worker that
// counted by itself would not know of what other workers do, nor of what was before it started;
// Temporal knows, so that every worker tells the same. What it said is told for as long as it
// is fresh: after that there is no value, rather than an old one.
type census struct {
	temporal    client.Client
	namespace   string
	connections []string
	interval    time.Duration
	refused     func() map[string]bool
	checkStores func(context.Context) map[string]error
	calendars   calendar.Calendars
	payloads    converter.DataConverter
	logger      *slog.Logger

	mu          sync.Mutex
	last        findings
	up          bool
	failing     bool             // so it was said; before the first census it is neither
	storeFaults map[string]error // nil for one that can be reached
}

// findings are what one census saw.
type findings struct {
	at        time.Time
	waiting   map[waitingKey]int64
	successes map[pipelineKey]time.Time
	schedules map[pipelineKey]scheduleFindings
}

type waitingKey struct{ connection, workflowType, asked string }

type pipelineKey struct{ connection, pipeline string }

type scheduleFindings struct {
	paused              bool
	tooLate, overlapped int
	lastNight           *calendar.Night // nil when there was none yet, or its calendar is not known here
	begun, closed       bool            // whether there is a close of lastNight, and whether one has succeeded
}

// run takes the census until ctx is done. The stores are looked at by themselves: one that hangs holds up no other word.
func (c *census) run(ctx context.Context) {
	go every(ctx, c.interval, c.lookAtStores)
	every(ctx, c.interval, c.take)
}

func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *census) take(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, censusTimeout)
	defer cancel()
	found, err := c.ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		maps.DeleteFunc(c.last.successes, func(k pipelineKey, at time.Time) bool { return found.successes[k].After(at) })
		maps.Copy(found.successes, c.last.successes) // what Temporal has forgotten since was seen all the same
		c.last = found
	} else if !c.failing && ctx.Err() != context.Canceled {
		c.logger.Warn("Temporal could not be asked what waits for an operator", "error", err)
	}
	c.up, c.failing = err == nil, err != nil
}

func (c *census) lookAtStores(ctx context.Context) {
	looking, cancel := context.WithTimeout(ctx, censusTimeout)
	defer cancel()
	faults := c.checkStores(looking)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for store, err := range faults {
		if err != nil && c.storeFaults[store] == nil {
			c.logger.Error("a store cannot be reached", "store", store, "error", err)
		}
	}
	c.storeFaults = faults
}

func (c *census) ask(ctx context.Context) (findings, error) {
	found := findings{at: time.Now(), waiting: map[waitingKey]int64{}, successes: map[pipelineKey]time.Time{}, schedules: map[pipelineKey]scheduleFindings{}}
	asking, cancel := context.WithTimeout(ctx, censusPatience)
	defer cancel()
	for _, connection := range c.connections {
		if err := c.waiting(ctx, asking, connection, found.waiting); err != nil {
			return found, fmt.Errorf("count what waits: %w", err)
		}
		if err := c.successes(ctx, connection, found.successes); err != nil {
			return found, fmt.Errorf("list the closes that succeeded: %w", err)
		}
	}
	if err := c.schedules(ctx, found.schedules); err != nil {
		return found, fmt.Errorf("look at the schedules: %w", err)
	}
	return found, nil
}

// waiting counts what waits, by what is asked. Only a close waits for an approval; asking bounds the
// patience with closes that do not answer.
func (c *census) waiting(ctx, asking context.Context, connection string, into map[waitingKey]int64) error {
	for _, kind := range workflows.CommandTypes() {
		count, err := c.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: c.namespace, Query: workflows.WaitingQuery(connection, kind),
		})
		if err != nil {
			return err
		}
		into[waitingKey{connection, kind, decision}] = count.GetCount()
	}
	decisions, approvals := waitingKey{connection, workflows.NightlyCloseType, decision}, waitingKey{connection, workflows.NightlyCloseType, approval}
	into[approvals] = 0
	if into[decisions] > 0 {
		list, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: c.namespace, PageSize: censusAsked, Query: workflows.WaitingQuery(connection, workflows.NightlyCloseType),
		})
		if err != nil {
			return err
		}
		into[approvals] = min(c.approvals(asking, list.GetExecutions()), into[decisions])
		into[decisions] -= into[approvals]
	}
	return nil
}

// approvals counts the closes that wait for nothing but an approval. One that does not say so in time may wait for more.
func (c *census) approvals(ctx context.Context, waiting []*workflowpb.WorkflowExecutionInfo) int64 {
	var approvals atomic.Int64
	var group errgroup.Group
	group.SetLimit(censusAtOnce)
	for _, e := range waiting {
		group.Go(func() error {
			answer, err := c.temporal.QueryWorkflow(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), workflows.StatusQuery)
			if err != nil {
				return nil
			}
			var status workflows.Status
			if answer.Get(&status) == nil && status.AwaitsApproval() {
				approvals.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait()
	return approvals.Load()
}

// successes notes the last success of each pipeline among the last closes, latest first.
func (c *census) successes(ctx context.Context, connection string, into map[pipelineKey]time.Time) error {
	list, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: censusCloses, Query: workflows.SucceededQuery(connection),
	})
	if err != nil {
		return err
	}
	for _, e := range list.GetExecutions() {
		id, ok := workflows.ParseID(e.GetExecution().GetWorkflowId())
		if !ok || !id.IsClose() {
			continue
		}
		key := pipelineKey{connection, id.Name}
		if at := e.GetCloseTime().AsTime(); at.After(into[key]) {
			into[key] = at
		}
	}
	return nil
}

func (c *census) schedules(ctx context.Context, into map[pipelineKey]scheduleFindings) error {
	list, err := c.temporal.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return err
	}
	for list.HasNext() {
		entry, err := list.Next()
		if err != nil {
			return err
		}
		id, ok := workflows.ParseID(entry.ID)
		if !ok || id.Kind != workflows.ScheduleKind || id.Suffix != "" || !slices.Contains(c.connections, id.Connection) {
			continue
		}
		is, err := c.temporal.ScheduleClient().GetHandle(ctx, entry.ID).Describe(ctx)
		if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
			continue // the list is a moment behind
		}
		if err != nil {
			return err
		}
		key, night := pipelineKey{id.Connection, id.Name}, c.lastNight(is, time.Now())
		begun, closed, err := c.became(ctx, key, night)
		if err != nil {
			return err
		}
		into[key] = scheduleFindings{
			paused: is.Schedule.State.Paused, tooLate: is.Info.NumActionsMissedCatchupWindow, overlapped: is.Info.NumActionsSkippedOverlap,
			lastNight: night, begun: begun, closed: closed,
		}
	}
	return nil
}

// became tells whether there is a close of a night, and whether it has succeeded, whoever started it, and when. What was
// seen to succeed is not asked again: Temporal forgets it when its retention is over.
func (c *census) became(ctx context.Context, key pipelineKey, night *calendar.Night) (begun, closed bool, err error) {
	if night == nil {
		return false, false, nil
	}
	before := c.last.schedules[key] // only this goroutine changes it
	if before.closed && before.lastNight.AsOf.Equal(night.AsOf) {
		return true, true, nil
	}
	id := workflows.CloseWorkflowID(key.connection, key.pipeline, night.AsOf.Format(time.DateOnly))
	closes := "WorkflowId = " + strconv.Quote(id)
	if closed, err = c.exists(ctx, closes+" AND ExecutionStatus = 'Completed'"); closed || err != nil { // one that does not succeed fails
		return closed, closed, err
	}
	begun, err = c.exists(ctx, closes)
	return begun, false, err
}

func (c *census) exists(ctx context.Context, query string) (bool, error) {
	count, err := c.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: c.namespace, Query: query})
	return count.GetCount() > 0, err
}

// lastNight is the latest night of a schedule that was to begin, by its calendar: whatever
// became of it. Nights before there was the schedule are not its own.
func (c *census) lastNight(is *client.ScheduleDescription, now time.Time) *calendar.Night {
	var rule calendar.Rule // the input has the keys of the rule among its own
	if payload, ok := is.Memo.GetFields()[workflows.ScheduleInputMemo]; !ok || c.payloads.FromPayload(payload, &rule) != nil {
		return nil
	}
	plan, err := c.calendars.Compile(rule)
	if err != nil {
		return nil
	}
	night := plan.At(now).Night
	if night == nil || night.Start.Before(is.Info.CreatedAt) {
		return nil
	}
	return night
}

// observe makes a meter tell what the last census found.
func (c *census) observe(meter metric.Meter) error {
	waiting, err1 := meter.Int64ObservableGauge(waitingGauge)
	up, err2 := meter.Int64ObservableGauge(temporalUpGauge)
	success, err3 := meter.Float64ObservableGauge(lastSuccessGauge, metric.WithUnit("s"))
	missed, err4 := meter.Int64ObservableCounter(nightsMissedCounter)
	paused, err5 := meter.Int64ObservableGauge(schedulePausedGauge)
	night, err7 := meter.Float64ObservableGauge(lastNightGauge, metric.WithUnit("s"))
	begun, err10 := meter.Int64ObservableGauge(nightBegunGauge)
	closed, err9 := meter.Int64ObservableGauge(nightClosedGauge)
	refused, err6 := meter.Int64ObservableGauge(loginRefusedGauge)
	store, err8 := meter.Int64ObservableGauge(storeUpGauge)
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10} {
		if err != nil {
			return err
		}
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		o.ObserveInt64(up, number(c.up))
		for connection, is := range c.refused() {
			o.ObserveInt64(refused, number(is), metric.WithAttributes(attribute.String("connection", connection)))
		}
		for name, fault := range c.storeFaults {
			o.ObserveInt64(store, number(fault == nil), metric.WithAttributes(attribute.String("store", name)))
		}
		if time.Since(c.last.at) > 3*c.interval+censusTimeout {
			return nil
		}
		for key, count := range c.last.waiting {
			o.ObserveInt64(waiting, count, metric.WithAttributes(attribute.String("connection", key.connection), attribute.String("workflow_type", key.workflowType), attribute.String("asked", key.asked)))
		}
		for key, at := range c.last.successes {
			o.ObserveFloat64(success, seconds(at), key.attributes())
		}
		for key, s := range c.last.schedules {
			o.ObserveInt64(paused, number(s.paused), key.attributes())
			o.ObserveInt64(missed, int64(s.tooLate), key.attributes(attribute.String("reason", "catch_up_window")))
			o.ObserveInt64(missed, int64(s.overlapped), key.attributes(attribute.String("reason", "overlap")))
			if s.lastNight != nil {
				o.ObserveFloat64(night, seconds(s.lastNight.Start), key.attributes())
				o.ObserveInt64(begun, number(s.begun), key.attributes())
				o.ObserveInt64(closed, number(s.closed), key.attributes())
			}
		}
		return nil
	}, waiting, up, success, missed, paused, night, begun, closed, refused, store)
	return err
}

func (k pipelineKey) attributes(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, attribute.String("connection", k.connection), attribute.String("pipeline", k.pipeline))...)
}

// seconds since 1970, as Prometheus wants its timestamps.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
