package pbsm

import (
	"context"
	"net/http"
	"strings"
)

// PublishedReportPAR returns a URL to download what BI Publisher delivered to an object, such as BIP/BIP_Report. name is
// any text that no other call has. No call starts such a report. Source: 25D and 26D, 3.1 Retrieving BI Publisher Export
// File from Object Storage; it names no headers.
func (c *Client) PublishedReportPAR(ctx context.Context, name, object string) (PAR, error) {
	r := call{
		name: "published report", subject: object,
		method: http.MethodPost, path: "/analytics/v1/parUrlgenerator", header: c.service(),
		body:      map[string]string{"name": name, "objectName": object},
		ifInvalid: "check the name of the object, and whether the report was delivered",
	}
	return ask(ctx, c, r, (*response).publishedReport, checkHeaderValue("name", name), checkHeaderValue("object", object))
}

func (a *response) publishedReport() (PAR, error) {
	type published struct {
		URL    text `json:"url"`
		Status text `json:"status"`
	}
	var body struct {
		Payload *published `json:"payload"`
		published
	}
	if err := a.decode(&body); err != nil {
		return PAR{}, err
	}
	p := body.published
	if body.Payload != nil {
		p = *body.Payload
	}
	if !a.ok() || p.Status != "" && !strings.EqualFold(string(p.Status), "success") {
		return PAR{}, a.asError(nil)
	}
	return a.link(p.URL)
}
