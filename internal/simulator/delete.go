package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// deleteTakes is how long a deleted file stays in the list with the quirk: whether a delete is immediate, no page says.
const deleteTakes = 30 * time.Second

// delete marks a file as deleted. It is listed until then.
func (f *files) delete(id int64, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byID[id].Deleted = until
}

// deletion is a call that deletes files: those that of finds. Source: 24B, chapter 8.
func deletion(of func(*Simulator, *call) (found []File, refusal *response), text string) func(*Simulator, *call) *response {
	return func(s *Simulator, c *call) *response {
		allowed := http.MethodPost
		if s.quirks.has(DeleteMethodDelete) {
			allowed = http.MethodDelete
		}
		if c.r.Method != allowed {
			return utilsError(405, "The method is not supported for this resource.")
		}
		found, refusal := of(s, c)
		if refusal != nil {
			return refusal
		}
		// A file that was deleted does not exist, even while it is listed.
		found = slices.DeleteFunc(found, func(f File) bool { return !s.visible(f) || !f.Deleted.IsZero() })
		switch {
		case len(found) > 0 || s.quirks.has(DeleteUnknown200):
		case s.quirks.has(DeleteUnknown400):
			return utilsError(400, "The file does not exist.")
		default:
			return utilsError(404, "The file does not exist.")
		}
		gone := s.clock.Sim()
		if s.quirks.has(DeleteLater) {
			gone = gone.Add(deleteTakes)
		}
		for _, f := range found {
			s.files.delete(f.ID, gone)
		}
		if s.quirks.has(DeleteOtherText) {
			return jsonResponse(200, fields{"payload": "Fichier supprimé"})
		}
		return jsonResponse(200, fields{"payload": text})
	}
}

func (s *Simulator) fileToDelete(c *call) ([]File, *response) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, utilsError(400, "The file id is not a number.")
	}
	f, ok := s.files.get(id)
	if !ok {
		return nil, nil
	}
	return []File{f.received(s.store)}, nil
}

// filesNamed finds the newest file of a name and prefix: which of several is meant, no page says.
func (s *Simulator) filesNamed(c *call) ([]File, *response) {
	return s.newest(c.r.PathValue("name"), c.r.URL.Query().Get("prefix")), nil
}

func (s *Simulator) filesInList(c *call) (found []File, refusal *response) {
	var names []string
	if decodeStrict(c.body, &names) != nil || len(names) == 0 {
		return nil, utilsError(400, "A list of file names is required.")
	}
	for _, name := range names {
		found = append(found, s.newest(name, "")...)
	}
	return found, nil
}

func (s *Simulator) newest(name, prefix string) []File {
	for _, f := range slices.Backward(s.files.list(s.store)) {
		if s.visible(f) && f.Name == name && f.Prefix == prefix {
			return []File{f}
		}
	}
	return nil
}

// filesOfPrefix finds the files of one folder, and with the quirk those of every prefix that begins so.
func (s *Simulator) filesOfPrefix(c *call) (found []File, refusal *response) {
	prefix := c.r.PathValue("prefix")
	for _, f := range s.files.list(s.store) {
		begins := s.quirks.has(DeletePrefixBegins) && len(f.Prefix) >= len(prefix) && f.Prefix[:len(prefix)] == prefix
		if f.Prefix == prefix || begins {
			found = append(found, f)
		}
	}
	return found, nil
}

func subjectDeletion(_ *Simulator, c *call) {
	c.entry.Subject = cmp.Or(c.r.PathValue("id"), c.r.PathValue("name"), c.r.PathValue("prefix"))
}
