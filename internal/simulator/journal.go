package simulator

import (
	"slices"
	"sync"
	"time"
)

// Entry records one request. It never holds a token, a password or a PAR's secret.
type Entry struct {
	Time      time.Time // real time of arrival
	Call      string
	Method    string
	Path      string // with query; PAR secrets are ***
	Subject   string // batch code, run id, file id, report code, migration code or grant type
	Name      string // the file's name, if the subject is a file
	AsOf      string // $FICMISDATE$ of a trigger; the date in a report's filter
	Created   string // the run id, file id or report instance id that it created
	Answered  string // the service's own code or status in the response
	Status    int    // HTTP status; 0 if the connection was closed without a response
	Processed bool   // the request was carried out, whatever the response says
	Fault     Kind
	In        int64
	Out       int64
	UserAgent string
	Note      string // for tests: leaks, size mismatches, misplaced credentials
}

type journal struct {
	mu      sync.Mutex
	entries []Entry
}

// add appends the entry and returns its index. It is called before the response is sent, so that whoever has the
// response finds the entry.
func (j *journal) add(e Entry) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return len(j.entries) - 1
}

func (j *journal) sent(index int, out int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[index].Out = out
}

func (j *journal) all() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}
