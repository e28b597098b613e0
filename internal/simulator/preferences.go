package simulator

import (
	"slices"
	"sync"
	"time"
)

// preferences holds the as-of date of each user and application. Source: 26B, chapter 6.
type preferences struct {
	mu   sync.Mutex
	date map[string]string // by user and application
}

// applications are the names that appName takes; the pages give one.
var applications = []string{"FTP"}

func (s *Simulator) readAsOfDate(c *call) *response {
	q := c.r.URL.Query()
	if refusal := s.preferenceOf(q.Get("userId"), q.Get("appName")); refusal != nil {
		return refusal
	}
	return jsonResponse(200, fields{"as-of-date": s.AsOfDate(q.Get("userId"), q.Get("appName"))})
}

func (s *Simulator) setAsOfDate(c *call) *response {
	var body struct {
		User string `json:"userId"`
		App  string `json:"appName"`
		Date string `json:"as-of-date"`
	}
	if decodeStrict(c.body, &body) != nil {
		return migrationError(400, "Input validation failed")
	}
	if refusal := s.preferenceOf(body.User, body.App); refusal != nil {
		return refusal
	}
	if _, err := time.Parse(time.DateOnly, body.Date); err != nil {
		return migrationError(400, "Invalid date format")
	}
	c.entry.AsOf = body.Date
	if !s.quirks.has(AsOfDateKept) {
		s.SetAsOfDate(body.User, body.App, body.Date)
	}
	return migrationAnswer(200, "", "UPDATE_SUCCESS", "SUCCESS")
}

func (s *Simulator) preferenceOf(user, app string) *response {
	switch {
	case user != s.opts.RemoteUser:
		return migrationError(400, "User not found")
	case !slices.Contains(applications, app):
		return migrationError(400, "Application not found")
	}
	return nil
}

// AsOfDate is the date of a user's preferences for an application: today unless it was set.
func (s *Simulator) AsOfDate(user, app string) string {
	s.preferences.mu.Lock()
	defer s.preferences.mu.Unlock()
	if date := s.preferences.date[user+"\x00"+app]; date != "" {
		return date
	}
	return s.clock.Sim().Format(time.DateOnly)
}

// SetAsOfDate sets it, as the user can on the service's screens.
func (s *Simulator) SetAsOfDate(user, app, date string) {
	s.preferences.mu.Lock()
	defer s.preferences.mu.Unlock()
	s.preferences.date[user+"\x00"+app] = date
}
