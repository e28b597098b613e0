package pbsm

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
)

// ReportState is the state of the generation of a report.
type ReportState string

// States of a report. Unknown is for a status that the document does not list: it is neither an end nor a success.
const (
	ReportPending   ReportState = "pending"
	ReportRunning   ReportState = "running"
	ReportCompleted ReportState = "completed"
	ReportFailed    ReportState = "failed"
	ReportUnknown   ReportState = "unknown"
)

var reportStates = map[string]ReportState{
	"PENDING": ReportPending, "RUNNING": ReportRunning,
	"COMPLETE": ReportCompleted, "COMPLETED": ReportCompleted,
	"FAIL": ReportFailed, "FAILED": ReportFailed,
}

// ReportRequest is a report to generate. Source: chapter 8.
type ReportRequest struct {
	ReportCode    string
	ReportType    string // the file format, such as CSV
	ReportDefType string // Config.ReportDefType when empty
	// The filters become part of an SQL statement in the service: never build them from unchecked input.
	FilterCriteria    string
	PlaceholderFilter string
}

// ReportInstance is one generation of a report.
type ReportInstance struct {
	ID       string
	State    ReportState
	Status   string // the service's text for State
	Message  string // why it failed, if the service says so
	Download PAR    // of a completed report, from ReportStatus only
}

// GenerateReport starts the generation of a report. Each call creates another instance. Source: chapter 8.
func (c *Client) GenerateReport(ctx context.Context, req ReportRequest) (ReportInstance, error) {
	req.ReportDefType = cmp.Or(req.ReportDefType, c.cfg.ReportDefType)
	r := call{
		name: "report", subject: req.ReportCode, method: http.MethodPost, path: "/aai-dmi-service/vw/v1/repgen",
		header: c.service(), ifInvalid: "check the report's code, type and filters",
		body: map[string]string{"filterCriteria": req.FilterCriteria, "placeholderFilter": req.PlaceholderFilter},
	}
	r.header["reportcode"] = req.ReportCode
	r.header["reportType"] = req.ReportType
	r.header["appid"] = c.cfg.AppID
	r.header["reportDefType"] = req.ReportDefType
	return ask(ctx, c, r, (*response).reportGenerated,
		checkHeaderValue("report code", req.ReportCode),
		checkHeaderValue("report type", req.ReportType),
		checkHeaderValue("report definition type", req.ReportDefType),
		checkHeaderValue("app id of the connection", c.cfg.AppID))
}

// ReportStatus reads the state of a report. A completed report has a URL to download it; without one it is an error.
// Source: chapter 9.
func (c *Client) ReportStatus(ctx context.Context, reportCode, instanceID string) (ReportInstance, error) {
	r := call{
		name: "report status", subject: strings.TrimSpace(reportCode + " " + instanceID),
		method: http.MethodPost, path: "/aai-dmi-service/vw/v1/repgenstatus", header: c.service(),
		ifInvalid: "the service does not have this instance of the report, or no longer: generate it again",
		settings:  []string{"report_headers", "report_status_body"},
	}
	code, instance := "reportcode", "reportInstanceID"
	if c.cfg.ReportHeaders == ReportHeadersCamel {
		code, instance = "reportCode", "reportInstanceId"
	}
	r.header[code], r.header[instance] = reportCode, instanceID
	if c.cfg.ReportStatusBody == ReportStatusBodyObject {
		r.body = struct{}{}
	}
	judge := func(a *response) (ReportInstance, error) { return a.reportStatus(instanceID) }
	return ask(ctx, c, r, judge,
		checkHeaderValue("report code", reportCode), checkHeaderValue("report instance id", instanceID))
}

type reportBody struct {
	Status            text `json:"status"`
	RequestInstanceID text `json:"requestInstanceId"` // requestInstanceid too: case does not count
	ReportInstanceID  text `json:"reportInstanceId"`
	DownloadLink      text `json:"downloadLink"` // downloadlink too
}

// another is the id of an instance in the body that is not this one, or empty. The document has one id under two names.
func (b reportBody) another(instanceID string) string {
	for _, id := range []string{b.RequestInstanceID.id(), b.ReportInstanceID.id()} {
		if id != "" && id != instanceID {
			return id
		}
	}
	return ""
}

func (a *response) reportGenerated() (ReportInstance, error) {
	_, instance, err := a.report()
	if err != nil {
		return ReportInstance{}, err
	}
	switch {
	case !a.ok():
		return ReportInstance{}, a.asError(nil)
	case instance.ID == "" && instance.State == ReportFailed:
		return ReportInstance{}, a.failFinally("the report was not started")
	case instance.ID == "":
		return ReportInstance{}, a.fail("the response contains no instance id of the report")
	}
	return instance, nil
}

func (a *response) reportStatus(instanceID string) (ReportInstance, error) {
	body, instance, err := a.report()
	if err != nil {
		return ReportInstance{}, err
	}
	// A completion counts only with HTTP 2xx; any other state counts whenever the response names the instance.
	switch {
	case !a.ok() && (instance.ID == "" || instance.State == ReportCompleted || instance.State == ReportUnknown):
		return ReportInstance{}, a.asError(nil)
	case body.Status == "":
		return ReportInstance{}, a.fail("the response contains no status of the report")
	}
	if other := body.another(instanceID); other != "" {
		return ReportInstance{}, a.fail(fmt.Sprintf("instance %s was requested, and the response is about instance %s",
			instanceID, other))
	}
	instance.ID = cmp.Or(instance.ID, instanceID)
	if instance.State == ReportCompleted {
		if instance.Download, err = a.link(body.DownloadLink); err != nil {
			return ReportInstance{}, err
		}
	}
	return instance, nil
}

func (a *response) report() (reportBody, ReportInstance, error) {
	var body reportBody
	if err := a.decode(&body); err != nil {
		return body, ReportInstance{}, err
	}
	status := a.text(string(body.Status))
	instance := ReportInstance{
		ID:     cmp.Or(body.RequestInstanceID.id(), body.ReportInstanceID.id()),
		State:  cmp.Or(reportStates[strings.ToUpper(status)], ReportUnknown),
		Status: status,
	}
	if instance.State == ReportFailed {
		said := a.explanation()
		said.Status = "" // it is there already
		instance.Message = a.text(said.String())
	}
	return body, instance, nil
}
