package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// Message says what happened, to what, and what an operator can do about it. A webhook receives it as JSON.
type Message struct {
	// ID stays the same when the message is sent again.
	ID string `json:"id,omitempty"`
	// Event is waiting, at_risk, failed, cancelled or succeeded; of a test message, test.
	Event string    `json:"event"`
	At    time.Time `json:"at"`
	// WorkflowType, WorkflowID and Link identify the workflow; Link opens it in the Temporal UI.
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
	// What happened, in words.
	What string `json:"what"`
	// Deadline is when the question expires.
	Deadline time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which operators read times; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// AuditFile is the "store/path" of the audit file of a close that ended, and Seal the hash of its last line. Seal is
	// empty if the file could not be written.
	AuditFile string `json:"audit_file,omitempty"`
	Seal      string `json:"seal,omitempty"`
	// Commands answer the question, as they are typed. A workflow leaves out the name of the program: how operators
	// call that, the configuration of the worker says which sends the message.
	Commands []string `json:"commands,omitempty"`
}

var eventTexts = map[string]string{
	Waiting:   "waits for an operator",
	AtRisk:    "is at risk",
	Failed:    "failed",
	Cancelled: "was cancelled",
	Succeeded: "succeeded",
}

// Title is one line: the subject of a mail, the heading of a chat message.
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

// maxWhat is how many bytes of the service's text fit on a phone.
const maxWhat = 600

// facts are the lines below the title and above the commands.
func (m Message) facts() []string {
	lines := []string{clip(strings.TrimSpace(m.What), maxWhat)}
	if m.RunID != "" && !strings.Contains(m.What, m.RunID) {
		lines = append(lines, "Run "+m.RunID)
	}
	if !m.Deadline.IsZero() {
		lines = append(lines, "Until "+clock.In(m.TimeZone).Text(m.Deadline))
	}
	switch {
	case m.Seal != "":
		lines = append(lines, "Audit file "+m.AuditFile+", seal "+m.Seal)
	case m.AuditFile != "":
		lines = append(lines, "The audit file "+m.AuditFile+" could not be written")
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
