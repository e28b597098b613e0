package console

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
)

//go:embed templates
var sources embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"dates": keepDates}).
	ParseFS(sources, "templates/*.html"))

// aDate is a date as package clock writes it, with the weekday and the time where they are there.
var aDate = regexp.MustCompile(`([A-Z][a-z]{2} )?\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2})? [A-Z]{3,5})?`)

// keepDates is a text in which no line breaks within a date.
func keepDates(text string) template.HTML {
	escaped := template.HTMLEscapeString(text)
	return template.HTML(aDate.ReplaceAllString(escaped, `<span class="date">$0</span>`)) //nolint:gosec // it is escaped
}

// page is a page of the console: a head, and fragments that are replaced as they change.
type page struct {
	Title     string
	Who       access
	Role      string
	Zone      string
	Path      string
	Fragments []fragment
	Refusal   string
	Notice    *Notice
	Outcome   *outcome
	Here      string // the tab
	CanLogOut bool
	// Now is of when the page is: the last time at which Temporal answered, if it does not any longer.
	Now    time.Time
	Health health

	entries []entry // that the viewer may see
}

// fragment is a part of a page that is replaced when it changes.
type fragment struct {
	ID   string
	HTML template.HTML
}

// outcome is what came of a command, shown on the next page.
type outcome struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// add renders a fragment with a template of the same name.
func (p *page) add(id, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	escaped := template.HTML(b.String()) //nolint:gosec // by the template
	p.Fragments = append(p.Fragments, fragment{id, escaped})
	return nil
}

func (c *Console) render(w http.ResponseWriter, code int, p page) {
	p.CanLogOut = p.Who.Name != "" && c.Login.LoginPath() != ""
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", p); err != nil {
		c.Log.Error("cannot show a page", "page", p.Title, "error", err)
		http.Error(w, "The page cannot be shown; the console's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}

// errNotFound is the error of a page that does not exist, or that the viewer may not see.
var errNotFound = errors.New("There is no such close, or it is not yours to see.") //nolint:staticcheck,revive // a sentence of a page

// pageKinds name the pages by the first part of their paths, for the metrics.
var pageKinds = map[string]string{"": "tonight", "inbox": "inbox", "w": "workflow", "nights": "nights"}

// build makes the page of a path for a viewer.
func (c *Console) build(ctx context.Context, path string, who access) (page, error) {
	began := time.Now()
	p := c.newPage(path, who, began)
	var err error
	kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	defer func() {
		if err == nil {
			c.metrics.page(pageKinds[kind], began)
		}
	}()
	switch kind {
	case "":
		err = c.tonight(ctx, &p)
	case "inbox":
		err = c.inbox(&p)
	case "w":
		err = c.workflow(ctx, &p, rest)
	case "nights":
		connection, pipeline, _ := strings.Cut(rest, "/")
		err = c.nightsPage(ctx, &p, connection, pipeline)
	default:
		err = errNotFound
	}
	return p, err
}

// newPage makes a page without fragments, and judges what it can promise.
func (c *Console) newPage(path string, who access, now time.Time) page {
	p := page{Who: who, Role: who.role(), Path: path, Now: now, entries: c.visible(who)}
	p.Zone = zoneOf(p.entries)
	for i, e := range p.entries {
		p.entries[i] = p.inZone(e)
	}
	p.Health = c.health(p.entries, clock.In(p.Zone), now)
	if !p.Health.temporal {
		p.Now = now.Add(-c.board.age())
	}
	return p
}

// inZone gives a workflow of no pipeline the time zone of the page, so that it has one.
func (p *page) inZone(e entry) entry {
	e.Status.TimeZone = cmp.Or(e.Status.TimeZone, p.Zone)
	return e
}

func (c *Console) servePage(w http.ResponseWriter, r *http.Request, who access) {
	p, err := c.build(r.Context(), r.URL.Path, who)
	if err != nil {
		c.refusePage(w, err)
		return
	}
	p.Outcome = takeOutcome(w, r)
	c.render(w, http.StatusOK, p)
}

func (c *Console) refusePage(w http.ResponseWriter, err error) {
	code := http.StatusBadGateway
	if errors.Is(err, errNotFound) || client.NotFound(err) {
		code, err = http.StatusNotFound, errNotFound
	}
	why := err.Error()
	if temporalclient.Unavailable(err) {
		why = "Temporal does not answer (" + temporalclient.Reason(err) + "), so this page cannot be shown. Tonight says since " +
			"when. Reload this page once Temporal answers."
	}
	c.refuse(w, code, why)
}

// role is what somebody may do anywhere: an approver is not an operator, but one may be both.
func (a access) role() string {
	has := func(role string) bool {
		return slices.ContainsFunc(a.roles, func(r config.Role) bool {
			return r.Role == role && slices.Contains(a.Groups, r.Group)
		})
	}
	switch operator, approver := has(config.Operator), has(config.Approver); {
	case operator && approver:
		return config.Operator + " and " + config.Approver
	case operator:
		return config.Operator
	case approver:
		return config.Approver
	case has(config.Viewer):
		return config.Viewer
	}
	return ""
}

const (
	outcomeCookie = "outcome"
	// maxOutcome is the size of that cookie in bytes.
	maxOutcome = 2000
)

// leaveOutcome keeps what came of a command for the page that the browser is sent to, so that a reload of that page
// sends nothing again. The end of a long text is cut off, as a browser drops a large cookie without a word.
func leaveOutcome(w http.ResponseWriter, o outcome) {
	value := "0"
	if o.OK {
		value = "1"
	}
	const most = maxOutcome * 3 / 4 // in base64
	if value += o.Text; len(value) > most {
		value = strings.ToValidUTF8(value[:most-len("…")], "") + "…"
	}
	setOutcome(w, base64.RawURLEncoding.EncodeToString([]byte(value)), 60)
}

// setOutcome sets the cookie. It is no secret, and on the loopback there is no TLS.
func setOutcome(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // see above
		Name: outcomeCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

func takeOutcome(w http.ResponseWriter, r *http.Request) *outcome {
	cookie, err := r.Cookie(outcomeCookie)
	if err != nil {
		return nil
	}
	setOutcome(w, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(text) == 0 {
		return nil
	}
	return &outcome{text[0] == '1', string(text[1:])}
}

// timesOf writes the times of a workflow as its operators read them.
func timesOf(e entry) clock.Clock { return clock.In(e.Status.TimeZone) }
