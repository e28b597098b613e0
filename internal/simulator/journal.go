package simulator

import (
	"sync"
	"time"
)

// Entry is one request as the simulator saw it. It never holds a token, a password or a PAR's secret.
type Entry struct {
	Seq       int       `json:"seq"`
	Time      time.Time `json:"time"` // real time of arrival
	Call      string    `json:"call"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`               // with query; PAR secrets are ***
	Subject   string    `json:"subject,omitempty"`  // batch code, run id, file id, report code, migration code or grant type
	Name      string    `json:"name,omitempty"`     // the file's name, where the subject is a file
	AsOf      string    `json:"as_of,omitempty"`    // $FICMISDATE$ of a trigger
	Created   string    `json:"created,omitempty"`  // run id, file id or report instance id that came of it
	Answered  string    `json:"answered,omitempty"` // the service's own code or status in the answer
	Status    int       `json:"status"`             // HTTP status; 0 when the connection was closed without an answer
	Processed bool      `json:"processed"`          // what was asked for was carried out, whatever was answered
	Fault     Kind      `json:"fault,omitempty"`
	In        int64     `json:"in"`
	Out       int64     `json:"out"`
	UserAgent string    `json:"user_agent,omitempty"`
	Note      string    `json:"note,omitempty"` // what a test may want to know: leaks, size mismatches, misplaced credentials
}

type journal struct {
	mu      sync.Mutex
	entries []Entry
}

// add appends the entry and returns its index. It is called before the answer is sent, so that who has
// the answer finds the entry.
func (j *journal) add(e Entry) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = len(j.entries) + 1
	j.entries = append(j.entries, e)
	return e.Seq - 1
}

func (j *journal) sent(index int, out int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[index].Out = out
}

func (j *journal) all() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry(nil), j.entries...)
}
