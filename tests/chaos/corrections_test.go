package chaos

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pbsmflow/pbsmflow/workflows"
)

const corrector = "controller"

// correct does what a person does to correct a close while it runs. Whether a command applies is left to chance.
func (n *closeRun) correct(ctx context.Context, random *rand.Rand, what actKind) {
	step := n.steps[random.IntN(len(n.steps))]
	command := workflows.Command{By: corrector, Why: string(what), Step: step.id}
	switch what {
	case replaceFile:
		n.replaceFile()
		if random.IntN(2) == 0 {
			n.runAgain(ctx, workflows.Command{By: corrector, Why: "the file was replaced", From: []string{"ledger"}})
		}
	case holdStep:
		n.holdAndRelease(ctx, random, command)
	case skipStep:
		n.send(ctx, workflows.SkipCommand, command)
	case markDone:
		command.RunID = n.someRun(random, step)
		n.send(ctx, workflows.DoneCommand, command)
	case interrupt:
		n.send(ctx, workflows.InterruptCommand, command)
	case extend:
		command.Until = (20*time.Second + time.Duration(random.Int64N(int64(5*time.Minute)))).Round(time.Second).String()
		if random.IntN(2) == 0 {
			command.Step = ""
		}
		n.send(ctx, workflows.ExtendCommand, command)
	case runAgain:
		again := workflows.Command{By: corrector, Why: string(what)}
		switch random.IntN(5) {
		case 0, 1:
			again.From = []string{step.id}
		case 2, 3:
			again.Only = []string{step.id}
		}
		n.runAgain(ctx, again)
	}
}

// send sends a command to the close, and reports whether it took effect. It is sent once: an update whose answer was
// lost may have taken effect.
func (n *closeRun) send(ctx context.Context, name string, command workflows.Command) bool {
	means := []string{command.Step}
	if command.Step == "" {
		means = n.ids()
	}
	return n.sendMeaning(ctx, name, command, word{by: command.By, choice: name, steps: means})
}

func (n *closeRun) sendMeaning(ctx context.Context, name string, command workflows.Command, meaning word) bool {
	heard := n.say(n.closeID, meaning)
	err := n.update(ctx, n.closeID, "", name, command)
	heard(err)
	if err == nil {
		n.figures.add("corrections", name)
	}
	return err == nil
}

func (n *closeRun) runAgain(ctx context.Context, command workflows.Command) {
	steps, only := n.chosen(workflows.AgainInput{From: command.From, Only: command.Only})
	n.sendMeaning(ctx, workflows.AgainCommand, command, word{by: command.By, choice: workflows.AgainCommand, steps: steps, only: only})
}

// holdAndRelease holds a step for some seconds. If the release is lost, the operator on duty is asked.
func (n *closeRun) holdAndRelease(ctx context.Context, random *rand.Rand, command workflows.Command) {
	if !n.send(ctx, workflows.HoldCommand, command) {
		return
	}
	sleep(ctx, time.Duration(random.Int64N(int64(6*time.Second))))
	if ctx.Err() == nil {
		n.send(ctx, workflows.ReleaseCommand, command)
	}
}

// someRun is a run of a step's batch, often one that has not succeeded, or none.
func (n *closeRun) someRun(random *rand.Rand, step planStep) string {
	if step.batch == nil || random.IntN(4) == 0 {
		return ""
	}
	runs := n.runs(expectedBatch{*step.batch, n.plan})
	if len(runs) == 0 {
		return ""
	}
	return runs[random.IntN(len(runs))].ID
}

// chosen are the steps that run again, and whether alone.
func (p plan) chosen(again workflows.AgainInput) (steps []string, only bool) {
	if len(again.From)+len(again.Only) == 0 {
		return p.ids(), false
	}
	for _, id := range again.From {
		steps = append(steps, p.below(id)...)
	}
	return slices.Concat(steps, again.Only), len(again.Only) > 0
}

func (p plan) ids() (ids []string) {
	for _, s := range p.steps {
		ids = append(ids, s.id)
	}
	return ids
}
