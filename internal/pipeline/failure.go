package pipeline

import "slices"

// Failing is what every kind of step but an approval can say about its failure.
type Failing struct {
	// OnFailure is what happens when the step fails, also because its deadline passes or its file does not arrive: an
	// operator decides, the close continues without the step, or the step fails and what needs it does not run.
	// An operator is always asked whether a submission was carried out, and what follows an interruption.
	OnFailure OnFailure `json:"on_failure,omitempty" jsonschema:"enum=wait_for_operator,enum=skip,enum=fail,default=wait_for_operator"`
}

// Retrying is what the kinds of step can say that may be repeated safely.
type Retrying struct {
	// Retries is how often the step is repeated after a failure, before on_failure applies.
	Retries int `json:"retries,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RetryDelay is the pause before each repetition. Default: 30s.
	RetryDelay Duration `json:"retry_delay,omitempty"`
}

// OnFailure is what happens when a step fails.
type OnFailure string

const (
	WaitForOperator OnFailure = "wait_for_operator" // the default: an operator decides; a deadline ends the step as failed
	SkipStep        OnFailure = "skip"              // the close continues without the step
	FailStep        OnFailure = "fail"              // the step fails, and what needs it does not run
)

func (c checker) failing(t Traits) {
	c.want(slices.Contains([]OnFailure{"", WaitForOperator, SkipStep, FailStep}, t.OnFailure), "on_failure",
		"%q is not one of %s, %s, %s", t.OnFailure, WaitForOperator, SkipStep, FailStep)
	c.want(t.Retries >= 0 && t.Retries <= 100, "retries", "must be between 0 and 100")
	c.want(t.RetryDelay >= 0, "retry_delay", "must not be negative")
}
