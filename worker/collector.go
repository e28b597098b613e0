package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	collectTimeout = 20 * time.Second
	// maxListedCloses bounds the successful closes of a connection among which the last of each pipeline is found.
	maxListedCloses = 200
	// Of the waiting closes of a connection, at most maxQueriedCloses are queried for their question, so many at the
	// same time; queryTimeout is for all of them together.
	maxQueriedCloses  = 50
	concurrentQueries = 8
	queryTimeout      = 5 * time.Second
)

// The values of the label question. An approval may wait until the morning; without a decision the close cannot
// continue.
const (
	decision = "decision"
	approval = "approval"
)

// collector periodically reads from Temporal which workflows wait and how the schedules do, and checks the stores.
// A worker's own counters would miss what other workers do, and what happened before it started; what Temporal knows is
// the same on every worker. Findings are exported while they are fresh; after that the metric is missing rather than
// outdated.
type collector struct {
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
	failing     bool             // logged already; before the first round neither up nor failing is set
	storeErrors map[string]error // nil for a store that can be reached
}

// findings are what one round has found.
type findings struct {
	at        time.Time
	waiting   map[waitingKey]int64
	successes map[pipelineKey]time.Time
	schedules map[pipelineKey]scheduleFindings
}

type waitingKey struct{ connection, workflowType, question string }

// The pipeline of closes with a key has it behind its name: nightly-close/scenario-7.
type pipelineKey struct{ connection, pipeline string }

func keyed(id workflows.ID) string { return strings.TrimSuffix(id.Name+"/"+id.Key(), "/") }

func newCollector(
	temporal client.Client, namespace string, cfg *config.Config, acts *activities.Activities, logger *slog.Logger,
) (*collector, error) {
	calendars, err := calendar.Known(cfg.Calendars)
	if err != nil {
		return nil, &badConfig{err}
	}
	return &collector{
		temporal:    temporal,
		namespace:   namespace,
		connections: connectionNames(cfg),
		interval:    cfg.Worker.CollectInterval,
		refused:     func() map[string]bool { return activities.RefusedLogins(acts) },
		checkStores: func(ctx context.Context) map[string]error { return activities.StoreErrors(ctx, acts) },
		calendars:   calendars,
		payloads:    cfg.Encryption.Keyring().DataConverter(),
		logger:      logger,
	}, nil
}

// run collects until ctx is done. The stores are checked separately, so that one that hangs delays nothing else.
func (c *collector) run(ctx context.Context) {
	go every(ctx, c.interval, c.updateStores)
	every(ctx, c.interval, c.update)
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

func (c *collector) update(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	found, err := c.collect(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		maps.DeleteFunc(c.last.successes, func(k pipelineKey, at time.Time) bool { return found.successes[k].After(at) })
		maps.Copy(found.successes, c.last.successes) // Temporal's retention may have removed them since
		c.last = found
	} else if !c.failing && ctx.Err() != context.Canceled {
		c.logger.Warn("the workflows that wait for an operator could not be read from Temporal", "error", err)
	}
	c.up, c.failing = err == nil, err != nil
}

func (c *collector) updateStores(ctx context.Context) {
	checking, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	found := c.checkStores(checking)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for store, err := range found {
		if err != nil && c.storeErrors[store] == nil {
			c.logger.Error("a store cannot be reached", "store", store, "error", err)
		}
	}
	c.storeErrors = found
}

func (c *collector) collect(ctx context.Context) (findings, error) {
	found := findings{
		at:        time.Now(),
		waiting:   map[waitingKey]int64{},
		successes: map[pipelineKey]time.Time{},
		schedules: map[pipelineKey]scheduleFindings{},
	}
	querying, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for _, connection := range c.connections {
		if err := c.waiting(ctx, querying, connection, found.waiting); err != nil {
			return found, fmt.Errorf("count the waiting workflows: %w", err)
		}
		if err := c.successes(ctx, connection, found.successes); err != nil {
			return found, fmt.Errorf("list the closes that succeeded: %w", err)
		}
	}
	if err := c.schedules(ctx, found.schedules); err != nil {
		return found, fmt.Errorf("read the schedules: %w", err)
	}
	return found, nil
}

// waiting counts the waiting workflows by their question. Only a close can wait for an approval; closes that do not
// answer a query until querying is done count as waiting for a decision.
func (c *collector) waiting(ctx, querying context.Context, connection string, into map[waitingKey]int64) error {
	for _, kind := range workflows.CommandTypes() {
		count, err := c.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: c.namespace, Query: workflows.WaitingQuery(connection, kind),
		})
		if err != nil {
			return err
		}
		into[waitingKey{connection, kind, decision}] = count.GetCount()
	}
	decisions := waitingKey{connection, workflows.NightlyCloseType, decision}
	approvals := waitingKey{connection, workflows.NightlyCloseType, approval}
	into[approvals] = 0
	if into[decisions] == 0 {
		return nil
	}
	list, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace,
		PageSize:  maxQueriedCloses,
		Query:     workflows.WaitingQuery(connection, workflows.NightlyCloseType),
	})
	if err != nil {
		return err
	}
	into[approvals] = min(c.approvals(querying, list.GetExecutions()), into[decisions])
	into[decisions] -= into[approvals]
	return nil
}

// approvals counts the closes that wait for an approval and nothing else.
func (c *collector) approvals(ctx context.Context, waiting []*workflowpb.WorkflowExecutionInfo) int64 {
	var approvals atomic.Int64
	var group errgroup.Group
	group.SetLimit(concurrentQueries)
	for _, e := range waiting {
		group.Go(func() error {
			id, runID := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
			answer, err := c.temporal.QueryWorkflow(ctx, id, runID, workflows.StatusQuery)
			if err != nil {
				return nil //nolint:nilerr // without an answer it counts as a decision
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

// successes finds the last success of each pipeline among the last successful closes.
func (c *collector) successes(ctx context.Context, connection string, into map[pipelineKey]time.Time) error {
	list, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace,
		PageSize:  maxListedCloses,
		Query:     workflows.SucceededQuery(connection),
	})
	if err != nil {
		return err
	}
	for _, e := range list.GetExecutions() {
		id, ok := workflows.ParseID(e.GetExecution().GetWorkflowId())
		if !ok {
			continue
		}
		key := pipelineKey{connection, keyed(id)}
		if at := e.GetCloseTime().AsTime(); at.After(into[key]) {
			into[key] = at
		}
	}
	return nil
}
