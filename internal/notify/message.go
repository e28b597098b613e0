package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is what happened, on what, and what can be done about it. A webhook gets it as JSON.
type Message struct {
	// ID is the same however often the message is sent.
	ID string `json:"id,omitempty"`
	// Event is waiting, late, failed, cancelled or succeeded; of a test message, test.
	Event string    `json:"event"`
	At    time.Time `json:"at"`
	// WorkflowType, WorkflowID and Link say where to look.
	WorkflowType string `json:"workflow_type,omitempty"`
	WorkflowID   string `json:"workflow_id,omitempty"`
	Link         string `json:"link,omitempty"`
	Connection   string `json:"connection,omitempty"`
	// Subject is a pipeline or a batch code.
	Subject  string `json:"subject"`
	AsOfDate string `json:"as_of_date,omitempty"`
	// Step is the step of a close that waits.
	Step  string `json:"step,omitempty"`
	RunID string `json:"run_id,omitempty"`
	// What happened, for a person.
	What string `json:"what"`
	// Deadline is until when an answer is awaited.
	Deadline time.Time `json:"deadline,omitzero"`
	// Commands answer what is asked, as they are typed.
	Commands []string `json:"commands,omitempty"`
}

var eventTexts = map[string]string{
	Waiting: "waits for an operator", AtRisk: "is at risk", Failed: "failed", Cancelled: "was cancelled", Succeeded: "is done",
}

// Title is one line: the subject of a mail, the head of a chat message.
func (m Message) Title() string {
	what, ok := eventTexts[m.Event]
	if !ok {
		what = m.Event
	}
	subject := strings.Join(strings.Fields(m.Subject+" "+m.AsOfDate), " ")
	if m.Connection != "" {
		subject += " on " + m.Connection
	}
	if m.Step != "" {
		subject += ": " + m.Step
	}
	return oneLine(subject + " " + what)
}

// maxWhat is how much of the service's words fits a phone, in bytes.
const maxWhat = 600

// facts are the lines below the title and above the commands.
func (m Message) facts() []string {
	lines := []string{clip(strings.TrimSpace(m.What), maxWhat)}
	if m.RunID != "" && !strings.Contains(m.What, m.RunID) {
		lines = append(lines, "Run "+m.RunID)
	}
	if !m.Deadline.IsZero() {
		lines = append(lines, "Until "+m.Deadline.Format("Mon 2006-01-02 15:04 -07:00"))
	}
	return lines
}

// Text is the message below its title, as plain text.
func (m Message) Text() string {
	lines := m.facts()
	if len(m.Commands) > 0 {
		lines = append(lines, "")
		lines = append(lines, m.Commands...)
	}
	if m.Link != "" {
		lines = append(lines, "", m.Link)
	}
	return strings.Join(lines, "\n")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s ... (%d bytes more)", text[:end], len(text)-end)
}
