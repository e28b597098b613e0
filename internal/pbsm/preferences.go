package pbsm

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Preference is the as-of date that a user has for an application. Source: 26B, chapter 6.
type Preference struct {
	UserID string // Config.RemoteUser when empty
	App    string // FTP is the only name that a page gives
}

const ifPreferenceInvalid = "check the user, the application's name and the date"

// AsOfDate reads the date, yyyy-mm-dd.
func (c *Client) AsOfDate(ctx context.Context, p Preference) (string, error) {
	r := c.preference("as-of date", http.MethodGet, &p)
	r.query = url.Values{"userId": {p.UserID}, "appName": {p.App}}
	return ask(ctx, c, r, (*response).asOfDate, p.problems()...)
}

// SetAsOfDate sets the date, yyyy-mm-dd. Repeating it does no harm, unless somebody else sets it too.
func (c *Client) SetAsOfDate(ctx context.Context, p Preference, date string) error {
	r := c.preference("set as-of date", http.MethodPost, &p)
	r.body = map[string]string{"userId": p.UserID, "appName": p.App, "as-of-date": date}
	_, err := ask(ctx, c, r, (*response).preferenceSet, append(p.problems(), checkDate(date))...)
	return err
}

func (c *Client) preference(name, method string, p *Preference) call {
	p.UserID = cmp.Or(p.UserID, c.cfg.RemoteUser)
	return call{
		name: name, subject: "of " + p.UserID + " for " + p.App,
		method: method, path: "/public/preferences/asofdate", header: c.service(), ifInvalid: ifPreferenceInvalid,
	}
}

func (p Preference) problems() []error {
	return []error{checkHeaderValue("user", p.UserID), checkHeaderValue("application", p.App)}
}

func checkDate(date string) error {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("%q is not a date as yyyy-mm-dd", oneLine(date, 80))
	}
	return nil
}

func (a *response) asOfDate() (string, error) {
	var body struct {
		Date text `json:"as-of-date"`
	}
	if err := a.decode(&body); err != nil {
		return "", err
	}
	switch {
	case !a.ok():
		return "", a.asError(nil)
	case checkDate(string(body.Date)) != nil:
		return "", a.fail("the response contains no as-of date")
	}
	return string(body.Date), nil
}

func (a *response) preferenceSet() (string, error) {
	var body struct {
		StatusCode text `json:"statusCode"`
		Status     text `json:"status"`
	}
	if err := a.decode(&body); err != nil {
		return "", err
	}
	if !a.ok() || !strings.EqualFold(string(body.Status), "SUCCESS") {
		return "", a.asError(nil)
	}
	return a.text(string(body.StatusCode)), nil
}
