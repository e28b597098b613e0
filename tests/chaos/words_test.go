package chaos

import (
	"slices"
	"time"
)

// word is a command that a person sent about a close or its batches, or a start of the close.
type word struct {
	by     string
	choice string   // "decide again", "again", "start"
	steps  []string // that it can mean
	only   bool     // "again" for these steps alone
	sent   time.Time
	// heard is when the answer arrived. It is zero while nobody knows whether the command took effect.
	heard   time.Time
	refused bool
}

// startWord is a start of the close. All others are named as the commands are.
const startWord = "start"

// between reports whether the command may have taken effect in a time.
func (w word) between(from, to time.Time) bool {
	return !w.refused && w.sent.Before(to) && (w.heard.IsZero() || w.heard.After(from))
}

func (w word) means(step string) bool { return slices.Contains(w.steps, step) }

// say records a command before it is sent. The answer goes to the function that it returns.
func (w *world) say(closeID string, one word) (heard func(error)) {
	one.sent = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words[closeID] = append(w.words[closeID], one)
	n := len(w.words[closeID]) - 1
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		said := &w.words[closeID][n]
		switch said.refused = refused(err); {
		case err == nil, said.refused:
			said.heard = time.Now()
		}
		w.figures.add("commands", one.choice+map[bool]string{true: ", refused", false: ""}[said.refused])
		if err != nil && !said.refused {
			w.figures.add("commands without an answer", one.choice)
		}
	}
}

func (w *world) saidAbout(closeID string) []word {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.words[closeID])
}
