package workflows

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

const quarter = `name: nightly
calendar: us-bank
params: {scenario: {one_of: [1, 7], default: 1}}
steps:
  - {id: ledger, each: {entity: [us, uk, de, fr, jp]}, at_once: 2, upload: {file: "inbox/{{.Each.entity}}_{{.AsOfDate}}"}}
  - {id: alloc, needs: [ledger], batch: {code: ALLOC, params: {$SCENARIO$: "{{.Params.scenario}}"}}}
  - {id: month, when: month-end, needs: [alloc], batch: {code: MONTH}}
  - {id: quarter, when: quarter-end, needs: [month], batch: {code: QUARTER}}
  - {id: true-up, when: month-end+2, needs: [quarter], batch: {code: TRUE_UP}}
  - {id: fridays, when: [fri, {not: month-end}], needs: [true-up, alloc], batch: {code: FRIDAYS}}
`

// planOf is the plan that the activity makes of a definition.
func planOf(t *testing.T, text, asOf string) activities.Plan {
	p, err := pipeline.Parse([]byte(text))
	require.NoError(t, err)
	date, err := pipeline.ParseDate(asOf)
	require.NoError(t, err)
	q, err := p.Render(date, pipeline.Vars{Connection: "prod"})
	require.NoError(t, err)
	plan, err := activities.NewPlan(q, start)
	require.NoError(t, err)
	return *plan
}

// Every night of a quarter runs exactly the steps whose time it is.
func TestNightlyClose_quarter(t *testing.T) {
	ran := map[string]string{}
	for day := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
		asOf := day.Format(time.DateOnly)
		env := newEnv(t)
		f := fakeSteps{env: env, plan: planOf(t, quarter, asOf), batch: succeeds}
		f.register()
		in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: asOf}
		env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) {
			return &f.plan, nil
		}, activityName("PreparePipeline"))
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
		env.ExecuteWorkflow(NightlyClose, in)
		require.NoError(t, env.GetWorkflowError(), asOf)
		var result NightlyCloseResult
		require.NoError(t, env.GetWorkflowResult(&result))
		require.Equal(t, Succeeded, result.State, "a step whose time it is not is no exception")
		var codes []string
		for _, b := range f.batches {
			codes = append(codes, b.Code)
		}
		require.Len(t, f.sent, 5, asOf)
		require.Equal(t, 2, f.running)
		require.Contains(t, codes, "ALLOC")
		notTonight := countIn(NotTonight, queryStatus(t, env).Steps)
		require.Equal(t, 5-len(codes), notTonight)
		require.Equal(t, fmt.Sprintf("every step of this night is done, %d not tonight", notTonight), queryStatus(t, env).Summary, asOf)
		if len(codes) > 1 {
			ran[day.Format("01-02")] = strings.Join(codes[1:], " ")
		}
	}
	require.Equal(t, map[string]string{
		"10-02": "TRUE_UP FRIDAYS", "10-09": "FRIDAYS", "10-16": "FRIDAYS", "10-23": "FRIDAYS", "10-30": "MONTH", "10-31": "MONTH",
		"11-03": "TRUE_UP", "11-06": "FRIDAYS", "11-13": "FRIDAYS", "11-20": "FRIDAYS", "11-27": "FRIDAYS", "11-30": "MONTH",
		"12-02": "TRUE_UP", "12-04": "FRIDAYS", "12-11": "FRIDAYS", "12-18": "FRIDAYS", "12-25": "FRIDAYS", "12-31": "MONTH QUARTER",
	}, ran)
}

// A step whose time it is not takes no commands, and running everything again leaves it out.
func TestNightlyClose_notTonight_takesNoCommands(t *testing.T) {
	env := newEnv(t)
	f := fakeSteps{env: env, plan: planOf(t, quarter, "2026-10-28"), batch: succeeds}
	f.register()
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "5 of 6 steps done; alloc running, 4 not tonight", queryStatus(t, env).Summary)
		env.UpdateWorkflow(HoldCommand, "", &updateResult{t: t, want: "refused"}, Command{By: "bob", Why: "wait", Step: "month"})
	}, 10*time.Minute)
	f.executeAgain("alice", &AgainInput{Reason: "the rates were corrected"})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, NotTonight, queryStatus(t, env).Steps[6].State)
	require.Contains(t, queryStatus(t, env).Steps[6].Detail, "it is for month-end, and Wed 2026-10-28 is not")
}
