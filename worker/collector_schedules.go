package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

type scheduleFindings struct {
	paused              bool
	tooLate, overlapped int             // starts that Temporal skipped, by its reason
	lastNight           *calendar.Night // nil if there was none yet, or its calendar is unknown to this worker
	begun, closed       bool            // whether a close of lastNight exists, and whether one has succeeded
}

func (c *collector) schedules(ctx context.Context, into map[pipelineKey]scheduleFindings) error {
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
		if !ok || id.Kind != workflows.ScheduleKind || id.IsBackfill() || !slices.Contains(c.connections, id.Connection) {
			continue
		}
		is, err := c.temporal.ScheduleClient().GetHandle(ctx, entry.ID).Describe(ctx)
		if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
			continue // the list lags behind
		}
		if err != nil {
			return err
		}
		key := pipelineKey{id.Connection, keyed(id)}
		night := c.lastNight(is, time.Now())
		begun, closed, err := c.outcome(ctx, key, night)
		if err != nil {
			return err
		}
		into[key] = scheduleFindings{
			paused:     is.Schedule.State.Paused,
			tooLate:    is.Info.NumActionsMissedCatchupWindow,
			overlapped: is.Info.NumActionsSkippedOverlap,
			lastNight:  night,
			begun:      begun,
			closed:     closed,
		}
	}
	return nil
}

// lastNight is the latest night of a schedule that should have begun, by its calendar, whatever became of it. Nights
// before the creation of the schedule do not count.
func (c *collector) lastNight(is *client.ScheduleDescription, now time.Time) *calendar.Night {
	var rule calendar.Rule // the input of the schedule's workflow contains the keys of the rule
	payload, ok := is.Memo.GetFields()[workflows.ScheduleInputMemo]
	if !ok || c.payloads.FromPayload(payload, &rule) != nil {
		return nil
	}
	compiled, err := c.calendars.Compile(rule)
	if err != nil {
		return nil
	}
	night := compiled.At(now).Night
	if night == nil || night.Start.Before(is.Info.CreatedAt) {
		return nil
	}
	return night
}

// outcome reports whether a close of a night exists, and whether one has succeeded, whoever started it, and when. A
// success that was found earlier is remembered, because Temporal's retention removes the workflow.
func (c *collector) outcome(ctx context.Context, key pipelineKey, night *calendar.Night) (begun, closed bool, err error) {
	if night == nil {
		return false, false, nil
	}
	before := c.last.schedules[key] // only this goroutine changes it
	if before.closed && before.lastNight.AsOf.Equal(night.AsOf) {
		return true, true, nil
	}
	name, suffix, _ := strings.Cut(key.pipeline, "/")
	id := workflows.KeyedCloseWorkflowID(key.connection, name, night.AsOf.Format(time.DateOnly), suffix)
	closes := "WorkflowId = " + strconv.Quote(id)
	closed, err = c.exists(ctx, closes+" AND ExecutionStatus = 'Completed'") // a close completes only if it succeeds
	if closed || err != nil {
		return closed, closed, err
	}
	begun, err = c.exists(ctx, closes)
	return begun, false, err
}

func (c *collector) exists(ctx context.Context, query string) (bool, error) {
	count, err := c.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: c.namespace,
		Query:     query,
	})
	return count.GetCount() > 0, err
}
