package console

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// look is how a state looks: a word, a shape and a colour, always the same.
type look struct {
	Word string
	// Icon is a shape of the sprite, and Class the colour in the style sheet.
	Icon, Class string
}

var looks = map[workflows.State]look{
	workflows.Pending:                 {"to come", "circle", "pending"},
	workflows.Running:                 {"running", "play", "running"},
	workflows.Interrupting:            {"being interrupted", "play", "running"},
	workflows.Waiting:                 {"waits for you", "hand", "waiting"},
	workflows.Succeeded:               {"done", "tick", "done"},
	workflows.SucceededWithExceptions: {"done with exceptions", "tick", "exceptions"},
	workflows.Failed:                  {"failed", "cross", "failed"},
	workflows.Interrupted:             {"interrupted", "cross", "failed"},
	workflows.Cancelled:               {"cancelled", "slash", "skipped"}, // somebody wanted it
	workflows.Skipped:                 {"skipped", "slash", "skipped"},
	workflows.MarkedDone:              {"marked as done", "slash", "skipped"},
	workflows.NotRun:                  {"not run", "slash", "skipped"},
	workflows.NotTonight:              {"not tonight", "moon", "tonight"},
}

func lookOf(state workflows.State) look {
	if l, ok := looks[state]; ok {
		return l
	}
	return look{"not known", "circle", "pending"}
}

// lookOfStep knows also what is kept, what is held and what waits for its file.
func lookOfStep(s workflows.StepStatus, now time.Time) look {
	switch {
	case s.State == workflows.Running && s.WaitUntil.After(now) && slices.Contains(s.Commands, workflows.StartCommand):
		return look{awaitsFile, "clock", "running"}
	case s.State == workflows.Succeeded && !s.KeptFrom.IsZero():
		return look{"kept", "tick-outline", "kept"}
	case isHeld(s):
		return look{"held", "lock", heldClass(s)}
	}
	return lookOf(s.State)
}

// heldClass is calm while nobody waits for the step.
func heldClass(s workflows.StepStatus) string {
	if s.State == workflows.Waiting {
		return "waiting"
	}
	return "pending"
}

func isHeld(s workflows.StepStatus) bool {
	return slices.Contains(s.Commands, workflows.ReleaseCommand)
}

// button is a command that the page offers: a verb with what it acts on, and what will happen.
type button struct {
	// Value is the choice of a status, such as "restart" or "decide adopt".
	Value, Text, Effect string
	// Dangerous commands are confirmed on a page of their own. Those that Harm end what cannot be had back.
	Dangerous, Harm bool
	Main            bool
}

// failedTask is the first task of a batch that failed, and how many are done.
func failedTask(tasks []workflows.Task) (failed string, done int) {
	for _, t := range tasks {
		switch code := pbsm.StatusCode(t.StatusCode); {
		case code == pbsm.CodeSuccess:
			done++
		case failed == "" && code.Terminal() && code != pbsm.CodeExcluded:
			failed = t.Code
		}
	}
	return failed, done
}

// wording is what a command's button says. subject is what it acts on: a step, a batch, a close.
func wording(value, subject string, tasks []workflows.Task) button {
	b := button{Value: value}
	failed, done := failedTask(tasks)
	set := func(text, format string, args ...any) { b.Text, b.Effect = text, fmt.Sprintf(format, args...) }
	switch value {
	case workflows.RestartCommand:
		if failed == "" {
			set("Restart from the failed task", "%s continues from where it failed; tasks that are done stay done.", subject)
		} else {
			set("Restart from "+failed, "%s continues from %s; %s.", subject, failed, stayDone(done))
		}
		b.Main = true
	case workflows.RerunCommand:
		set("Rerun from the first task", "%s runs again from its first task, under the same run.", subject)
	case workflows.InterruptCommand:
		set("Interrupt", "%s is stopped. You are then asked what is next.", subject)
	case workflows.ApproveCommand:
		set("Approve", "What needs %s can start.", subject)
		b.Main = true
	case workflows.HoldCommand:
		set("Hold", "%s does not begin before it is released.", subject)
	case workflows.ReleaseCommand:
		set("Release", "%s begins as soon as what it needs is done.", subject)
		b.Main = true
	case workflows.SkipCommand, workflows.DecideCommand + " " + workflows.Skip:
		set("Skip this step", "The close continues without %s, and ends with an exception.", subject)
	case workflows.DoneCommand:
		set("Mark as done outside", "%s is taken as done; the close ends with an exception.", subject)
	case workflows.StartCommand:
		set("Start now", "%s does not wait for its file any longer, and takes what is there.", subject)
	case workflows.ExtendCommand:
		set("Move the deadline", "%s may take until the time that you give.", subject)
	case workflows.AgainCommand:
		set("Run again from here", "%s runs again, and everything that needs it.", subject)
		b.Dangerous = true
	case workflows.CancelCommand:
		set("Stop the whole close", "What runs is interrupted, and nothing else starts.")
		b.Dangerous, b.Harm = true, true
	default:
		b = decision(strings.TrimPrefix(value, workflows.DecideCommand+" "), subject, len(tasks) > 0)
		b.Value = value
	}
	return b
}

// interruptsFirst says that a command to a step that runs stops it.
func interruptsFirst(b button) button {
	if b.Value == workflows.SkipCommand || b.Value == workflows.DoneCommand {
		b.Effect = "It is stopped first. " + b.Effect
	}
	return b
}

// needsRun says that the run of a batch which was done outside is compared with the service.
func needsRun(b button, s workflows.StepStatus) button {
	if b.Value == workflows.DoneCommand && isBatch(s) {
		b.Effect += " Give its run id: the service must call that run a success."
	}
	return b
}

// noun is what a page calls a workflow.
func (e entry) noun() string {
	if e.closing() {
		return "close"
	}
	return "run"
}

// about is a button where nothing beside it says which step it is about; none for the whole workflow.
func (e entry) about(b button, step string) button {
	switch {
	case b.Value == workflows.CancelCommand:
		b.Text = "Stop the whole " + e.noun()
	case b.Value != workflows.AgainCommand:
	case step == "":
		b.Text, b.Effect = "Run everything again", "Every step runs again."
	default:
		b.Text = "Run again from " + step
	}
	return b
}

func stayDone(done int) string {
	switch done {
	case 0:
		return "no task was done before"
	case 1:
		return "1 task that is done stays done"
	}
	return fmt.Sprintf("%d tasks that are done stay done", done)
}

// decision is the wording of a choice of decide.
func decision(choice, subject string, batch bool) button {
	switch choice {
	case workflows.Adopt:
		return button{Text: "Follow the run", Effect: "The service did start a run: " + subject +
			" follows the one whose id you give."}
	case workflows.NothingStarted:
		return button{
			Text: "Send it again: nothing had started", Dangerous: true, Harm: true,
			Effect: "It is submitted once more. A run that exists after all would run twice: look at Monitor Batch first.",
		}
	case workflows.Retry:
		if batch {
			return button{Text: "Look again", Effect: "Its run is polled once more; use it after a repair on the service's " +
				"screens."}
		}
		return button{Text: "Try again", Effect: subject + " is tried once more.", Main: true}
	case workflows.Again:
		return button{Text: "Run it again", Effect: subject + " is submitted again, on what is there now.", Dangerous: true}
	case workflows.Keep:
		return button{Text: "Keep the earlier result", Effect: subject +
			" keeps what it came to before, although what it is based on has changed."}
	case workflows.GiveUp:
		return button{Text: "Give up", Effect: subject + " ends as failed, and what needs it does not run."}
	}
	return button{Text: choice}
}

var (
	// commandIn finds a command in a text, as the workflows name it.
	commandIn = regexp.MustCompile(`(^|: )(decide [a-z_]+|` + strings.Join(workflows.CommandNames(), "|") +
		`)( refused: | does not apply: | needs |$)`)
	// inForm names the fields of a command as a form does.
	inForm = strings.NewReplacer("why: ", `"Why" `, "until: ", `"New deadline" `, "run_id: ", `"Run id" `)
	// tryAgain is what the workflows call the choice to retry.
	tryAgain = strings.NewReplacer("then retry", "then try it again", "retry once", "try it again once")
)

// stateWords says the states that a text names in the words of a page.
var stateWords = strings.NewReplacer(
	string(workflows.NotRun), lookOf(workflows.NotRun).Word,
	string(workflows.NotTonight), lookOf(workflows.NotTonight).Word,
	string(workflows.MarkedDone), lookOf(workflows.MarkedDone).Word,
	string(workflows.SucceededWithExceptions), lookOf(workflows.SucceededWithExceptions).Word,
)

// inButtons says the commands that a text names in the words of the buttons, which are what a page has.
func inButtons(text string) string {
	const applies = "What applies: "
	button := func(value string) string { return cmp.Or(wording(value, "", nil).Text, value) }
	text, list, some := strings.Cut(tryAgain.Replace(text), applies)
	text = stateWords.Replace(strings.ReplaceAll(text, "needs the run_id ", "needs the run id "))
	for range 2 { // a refusal names it twice in a row
		text = commandIn.ReplaceAllStringFunc(text, func(found string) string {
			parts := commandIn.FindStringSubmatch(found)
			return parts[1] + button(parts[2]) + parts[3]
		})
	}
	text = once(text)
	if some {
		list, end := strings.TrimSuffix(list, "."), strings.HasSuffix(list, ".")
		var buttons []string
		for _, value := range strings.Split(list, ", ") {
			buttons = append(buttons, button(value))
		}
		text += applies + strings.Join(buttons, ", ")
		if end {
			text += "."
		}
	}
	return text
}

// What is said of a step that awaits its file, where its own workflow says so, and where only the close does: that does
// not know when the file has come.
const (
	awaitsFile = "waits for its file"
	mayAwait   = "waits for its file, or sends it"
)

// lineOf says what a workflow does: how many steps of a close are done, and what the others do that have begun. awaits
// is said of one that awaits its file.
func lineOf(s workflows.Status, awaits string, now time.Time) string {
	if s.State.Done() || len(s.Steps) == 0 {
		return inButtons(s.Summary)
	}
	done, tonight := 0, 0
	var parts []string
	for _, step := range s.Steps {
		if step.State == workflows.NotTonight {
			continue
		}
		tonight++
		if step.State.Done() {
			done++
		} else if look := lookOfStep(step, now); look.Class != "pending" && step.Question == nil { // which is shown itself
			parts = append(parts, step.ID+" "+strings.ReplaceAll(look.Word, awaitsFile, awaits))
		}
	}
	if out := len(s.Steps) - tonight; out > 0 {
		parts = append(parts, fmt.Sprintf("%d not tonight", out))
	}
	line := fmt.Sprintf("%d of %s done", done, counted(tonight, "step"))
	return strings.Join(append([]string{line}, nonEmpty(strings.Join(parts, ", "))...), "; ")
}

// once says only once what a refusal names twice: "Hold refused: Hold does not apply: it runs".
func once(text string) string {
	before, after, some := strings.Cut(text, " refused: ")
	name := before[strings.LastIndex(before, ": ")+1:]
	if rest, again := strings.CutPrefix(after, strings.TrimSpace(name)+" does not apply: "); some && again {
		return before + " refused: " + rest
	}
	return text
}

// inFields names the fields of a command that was refused as its form does.
func inFields(text string) string { return inForm.Replace(text) }

// spell is a duration for people: 1 h 12 min, 4 min 12 s, 31 s.
func spell(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
}

// counted is "1 close", "2 closes".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
