package pipeline

// KindNoop is the kind of [Noop].
const KindNoop Kind = "noop"

// Noop does nothing.
//
//	noop: {message: "nothing to do"}
type Noop struct {
	// Message is what the step reports.
	Message string `json:"message" jsonschema:"minLength=1"`
}

func (n *Noop) traits() Traits { return Traits{} }

func (*Noop) setDefaults(rendering) {}

func (n *Noop) check(c checker) { c.want(n.Message != "", "message", "is missing") }
