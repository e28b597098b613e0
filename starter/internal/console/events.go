package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// eventsAtMost is how often a page is sent changes at most.
	eventsAtMost = 700 * time.Millisecond
	// eventsAtLeast is how often it is looked at without a change, for the times in words on it.
	eventsAtLeast = 15 * time.Second
	// eventsLast is how long a page is sent changes. It then asks for them again, which a proxy in front lets pass for
	// whom it knows then, and with the groups of then.
	eventsLast = 10 * time.Minute
)

// serveEvents sends the fragments of a page as they change, as server-sent events.
func (c *Console) serveEvents(w http.ResponseWriter, r *http.Request, who access) {
	path := r.URL.Query().Get("page")
	sent, err := c.shared.of(r.Context(), path, who, c.board.changes())
	if err != nil {
		c.refusePage(w, err)
		return
	}
	if id, ok := strings.CutPrefix(path, "/w/"); ok {
		defer c.looks.open(id)()
	}
	c.metrics.viewers.Inc()
	defer c.metrics.viewers.Dec()
	stream := http.NewResponseController(w)
	_ = stream.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	known := map[string]string{}
	end := time.After(eventsLast)
	for {
		changed := c.board.changes()
		if who, err = c.stillLoggedIn(r, who); err == nil {
			sent, err = c.shared.of(r.Context(), path, who, changed)
		}
		if err != nil || !sendChanges(w, known, sent) || stream.Flush() != nil {
			return
		}
		pause(r.Context(), eventsAtMost)
		select {
		case <-r.Context().Done():
			return
		case <-end:
			return
		case <-changed:
		case <-time.After(eventsAtLeast):
		}
	}
}

// stillLoggedIn finds out anew who looks: a session may have ended. The browser then asks for the page's changes again,
// which refreshes the session where it can be. What a proxy said of the request is what it said when that began.
func (c *Console) stillLoggedIn(r *http.Request, who access) (access, error) {
	person, ok := c.Login.Person(nil, r)
	if !ok {
		return who, errNotFound
	}
	who.Person = person
	return who, nil
}

// sendChanges sends what is not known to the page, and reports whether the page is still there.
func sendChanges(w http.ResponseWriter, known map[string]string, p page) bool {
	for _, f := range p.Fragments {
		if known[f.ID] == string(f.HTML) {
			continue
		}
		known[f.ID] = string(f.HTML)
		text, err := json.Marshal(map[string]string{"id": f.ID, "html": string(f.HTML)})
		if err != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return false
		}
	}
	_, err := fmt.Fprint(w, ": still here\n\n")
	return err == nil
}
