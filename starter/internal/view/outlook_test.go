package view

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestOutlook(t *testing.T) {
	for _, test := range []struct {
		state        workflows.State
		chosen, only bool
		want         string
	}{
		{workflows.Succeeded, true, false, "runs again, it was done"},
		{workflows.Succeeded, false, false, "kept: file id 7"},
		{workflows.Failed, true, false, "runs again"},
		{workflows.Failed, false, false, "runs: it has not succeeded"},
		{workflows.Failed, false, true, "not run: it has not succeeded, and only other steps run again"},
		{workflows.Pending, true, false, "runs: it has not begun"},
		{workflows.Pending, false, false, "continues"},
		{workflows.Running, false, false, "continues"},
		{workflows.NotTonight, true, false, "does not run for this date"},
		{workflows.NotTonight, false, false, "does not run for this date"},
	} {
		step := workflows.StepStatus{State: test.state, Detail: "done", Result: "file id 7"}
		if test.state != workflows.Succeeded {
			step.Result = ""
		}
		assert.Equal(t, test.want, Outlook(step, test.chosen, test.only), "%s, chosen %t, only %t", test.state, test.chosen, test.only)
	}
	skipped := workflows.StepStatus{State: workflows.Skipped, Detail: "skipped by bob: not tonight", Decided: true}
	assert.Equal(t, "kept: skipped by bob: not tonight", Outlook(skipped, false, false))
	assert.Equal(t, "runs again, it was skipped by bob: not tonight", Outlook(skipped, true, false))
}
