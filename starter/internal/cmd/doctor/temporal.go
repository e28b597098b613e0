package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const askAdministrator = "Ask whoever runs Temporal."

func (d *doctor) temporal(ctx context.Context) {
	s, err := client.Connect(ctx, d.Factory)
	switch {
	case errors.Is(err, temporalclient.ErrUnreachable):
		d.bad(cli.ExitUnreachable, "Temporal", temporalclient.WhatToCheck, err)
		return
	case err != nil:
		d.bad(cli.ExitUsage, "Temporal", "Correct what is named.", err)
		return
	}
	defer s.Close()
	d.ok("Temporal", "%s answers", s.Address)
	ctx, cancel := context.WithTimeout(ctx, 3*temporalclient.AnswerTimeout)
	defer cancel()
	namespace := "namespace " + s.Namespace
	request := &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace}
	described, err := s.Temporal.WorkflowService().DescribeNamespace(ctx, request)
	if err != nil {
		d.refused(namespace, "Set TEMPORAL_NAMESPACE to one that exists, or create it: "+
			"temporal operator namespace create -n "+s.Namespace, err)
		return
	}
	d.ok(namespace, "keeps workflows that have ended for %s",
		days(described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()))
	missing, err := s.MissingSearchAttributes(ctx)
	switch {
	case err != nil:
		d.refused("search attributes", askAdministrator, err)
	case len(missing) > 0:
		d.bad(cli.ExitFailed, "search attributes", "Register them: "+d.Starter("search-attributes create"),
			fmt.Errorf("missing: %s", strings.Join(missing, ", ")))
	default:
		d.ok("search attributes", "%s", strings.Join(workflows.SearchAttributes(), ", "))
	}
	d.workers(ctx, s)
}

// refused adds what Temporal refused, or that it no longer answers.
func (d *doctor) refused(check, do string, err error) {
	code := cli.ExitFailed
	if temporalclient.Unavailable(err) {
		code, do = cli.ExitUnreachable, temporalclient.WhatToCheck
	}
	d.bad(code, check, do, err)
}

// workers queries them where there is a workflow to query: one that polled a moment ago can be dead.
func (d *doctor) workers(ctx context.Context, s *client.Session) {
	last, err := s.Polls(ctx, s.TaskQueue)
	switch {
	case err != nil:
		d.refused("workers", askAdministrator, err)
		return
	case last.Idle():
		d.bad(cli.ExitFailed, "workers", client.StartWorker, errors.New(last.String()))
		return
	}
	switch id, err := s.ProbeWorkers(ctx, s.TaskQueue); {
	case id == "":
		d.ok("workers", "%s; a worker that died since then is noticed %s after its last poll", last, client.PollLasts)
	case err != nil:
		d.bad(cli.ExitFailed, "workers", client.StartWorker, fmt.Errorf("none answers a query of %s (%w); %s", id, err, last))
	default:
		d.ok("workers", "one answers; %s", last)
	}
}

func days(d time.Duration) string {
	if d >= 24*time.Hour {
		return view.Plural(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}
