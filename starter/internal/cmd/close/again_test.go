package close

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestInTheWay(t *testing.T) {
	again := []string{workflows.AgainCommand}
	status := workflows.Status{Steps: []workflows.StepStatus{
		{ID: "ledger", State: workflows.Succeeded, Commands: again},
		{ID: "allocate", Needs: []string{"ledger"}, State: workflows.Running, Commands: []string{"extend", "interrupt"}},
		{ID: "rates", State: workflows.Waiting, Commands: append(again, "decide retry")}, // after an attempt that failed
		{ID: "report", Needs: []string{"rates"}, State: workflows.Pending},
	}}
	running := "step allocate is running, and cannot run again before it has ended; what applies to it: extend, interrupt"
	for _, test := range []struct {
		in   workflows.AgainInput
		want string // empty: nothing is in the way
	}{
		{workflows.AgainInput{From: []string{"rates"}}, ""},
		{workflows.AgainInput{Only: []string{"rates"}}, ""},
		{workflows.AgainInput{From: []string{"ledger"}}, running},
		{workflows.AgainInput{Only: []string{"ledger"}}, running},
		{workflows.AgainInput{From: []string{"allocate"}}, running},
		{workflows.AgainInput{}, running},
		{workflows.AgainInput{From: []string{"report"}}, "step report has not begun"},
		{workflows.AgainInput{From: []string{"elsewhere"}}, ""},
	} {
		if problem := inTheWay(status, test.in); test.want == "" {
			require.Nil(t, problem, test.in)
		} else {
			require.ErrorContains(t, problem, test.want, test.in)
		}
	}
}
