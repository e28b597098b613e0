package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

// probe is the name of a workflow and a task queue that do not exist. The "not found" proves that the server looked.
const probe = "pbsmflow-devserver-probe"

// awaitReady waits until a workflow can be started, found by this project's search attributes, and seen in the UI.
// Each check covers one part: frontend, history, matching, visibility, UI.
func awaitReady(ctx context.Context, o options, address, uiURL string) error {
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()

	if err := await(ctx, "the frontend", func() error {
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}); err != nil {
		return err
	}
	for _, ns := range o.namespaces {
		if err := awaitNamespace(ctx, c, ns, o.searchAttributes); err != nil {
			return err
		}
	}
	return await(ctx, "the UI", func() error {
		return get(ctx, uiURL+"/api/v1/namespaces/"+o.namespaces[0])
	})
}

func awaitNamespace(ctx context.Context, c client.Client, ns string, attrs searchAttributes) error {
	for _, check := range []struct {
		part string
		run  func() error
	}{
		{"search attributes", func() error { return register(ctx, c, ns, attrs) }},
		{"history", func() error {
			_, err := c.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
				Namespace: ns, Execution: &commonpb.WorkflowExecution{WorkflowId: probe},
			})
			if notFound := (*serviceerror.NotFound)(nil); errors.As(err, &notFound) {
				return nil
			}
			return err
		}},
		{"matching", func() error {
			_, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
				Namespace: ns, TaskQueue: &taskqueuepb.TaskQueue{Name: probe}, TaskQueueType: enumspb.TASK_QUEUE_TYPE_WORKFLOW,
			})
			return err
		}},
		{"visibility", func() error {
			_, err := c.WorkflowService().CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
				Namespace: ns, Query: strings.Join(slices.Sorted(maps.Keys(attrs)), " IS NULL AND ") + " IS NULL",
			})
			return err
		}},
	} {
		if err := await(ctx, fmt.Sprintf("namespace %s: %s", ns, check.part), check.run); err != nil {
			return err
		}
	}
	return nil
}

// register adds the attributes that are missing in a database from an earlier run.
func register(ctx context.Context, c client.Client, ns string, attrs searchAttributes) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: ns})
	if err != nil {
		return err
	}
	missing := searchAttributes{}
	for name, want := range attrs {
		if has, ok := known.CustomAttributes[name]; !ok {
			missing[name] = want
		} else if has != want {
			return final{fmt.Errorf("search attribute %s is a %s in this database, wanted %s: use another --db", name, has, want)}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: ns, SearchAttributes: missing})
	return err
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return fmt.Errorf("GET %s: %s: %s", url, resp.Status, body)
	}
	return nil
}

// final is an error that waiting does not fix.
type final struct{ error }

// await repeats check until it succeeds, fails permanently, or ctx ends. The error is that of the last check.
func await(ctx context.Context, what string, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if errors.As(err, &final{}) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", what, err)
		case <-tick.C:
		}
	}
}
