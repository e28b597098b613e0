package pbsm

import "net/http"

// StatusCode is a code of the scheduler: of a call, of a run, or of a task.
// Source: chapter 10, Rest API Status Codes.
type StatusCode string

// The scheduler's documented codes. CodeSuccess to CodeHeld are the status of a call, a run or a task; CodeNoObject to
// CodeNotOngoing refuse a request.
const (
	CodeSuccess            StatusCode = "0"
	CodeFailure            StatusCode = "-1"
	CodeInterrupted        StatusCode = "-2"
	CodeNotStarted         StatusCode = "1"
	CodeOngoing            StatusCode = "2"
	CodeAborted            StatusCode = "3"
	CodeExcluded           StatusCode = "4"
	CodeHeld               StatusCode = "5"
	CodeNoObject           StatusCode = "-3"
	CodeInvalidArguments   StatusCode = "-4"
	CodeInvalidHeaders     StatusCode = "-5"
	CodeNoJob              StatusCode = "-6"
	CodeAlreadyInterrupted StatusCode = "-7"
	CodeNotOngoing         StatusCode = "-8"
)

var statusTexts = map[StatusCode]string{
	CodeSuccess:            "Success",
	CodeFailure:            "Failure",
	CodeInterrupted:        "Interrupted",
	CodeNotStarted:         "Not Started",
	CodeOngoing:            "Ongoing",
	CodeAborted:            "Aborted",
	CodeExcluded:           "Excluded",
	CodeHeld:               "Held",
	CodeNoObject:           "Object does not exist",
	CodeInvalidArguments:   "Invalid arguments passed in request/not enough params in Request body",
	CodeInvalidHeaders:     "Invalid request headers/request headers missing",
	CodeNoJob:              "No executable job is present",
	CodeAlreadyInterrupted: "Job is already interrupted",
	CodeNotOngoing:         "Job is not ongoing/aborted",
}

// Text is the document's description, "" for a code it does not list.
func (c StatusCode) Text() string { return statusTexts[c] }

// Terminal reports whether a run with this code has ended, successfully or not. A held run, and one with an unknown
// code, has not.
func (c StatusCode) Terminal() bool {
	switch c {
	case CodeSuccess, CodeFailure, CodeInterrupted, CodeAborted:
		return true
	}
	return false
}

// Refusal reports whether the code, in response to a call, says that the request was refused and nothing was done.
func (c StatusCode) Refusal() bool {
	switch c {
	case CodeNoObject, CodeInvalidArguments, CodeInvalidHeaders, CodeNoJob, CodeAlreadyInterrupted, CodeNotOngoing:
		return true
	}
	return false
}

// MigrationCode is the statusCode of an export, an import or their status.
// Source: chapters 4 to 7, Response JSON Parameters.
type MigrationCode string

// The documented codes of a migration.
const (
	MigrationCodeSuccess               MigrationCode = "SUCCESS"
	MigrationCodeTriggered             MigrationCode = "TRIGGERED_SUCCESS"
	MigrationCodeInvalidInput          MigrationCode = "INVALID_INPUT"
	MigrationCodeInternalError         MigrationCode = "INTERNAL_ERROR"
	MigrationCodeExportAlreadyComplete MigrationCode = "EXPORT_ALREADY_COMPLETE"
	MigrationCodeExportInProgress      MigrationCode = "EXPORT_INPROGRESS"
	MigrationCodeImportAlreadyComplete MigrationCode = "IMPORT_ALREADY_COMPLETE"
	MigrationCodeImportInProgress      MigrationCode = "IMPORT_INPROGRESS"
	MigrationCodeExportSaved           MigrationCode = "EXPORT_OUTLINE_SAVED" // a copy, since 24C
	MigrationCodeImportSaved           MigrationCode = "IMPORT_OUTLINE_SAVED" // a copy, since 24D
	MigrationCodeFetched               MigrationCode = "STATUS_FETCHED"       // of sibling services
)

// httpTexts are the HTTP statuses that the document lists, in its meaning where that differs from the standard's.
// The document describes 409 as a wrong content type, which is the meaning of 415; a client must treat it as the
// conflict that it is. Source: chapter 1, Status Code.
var httpTexts = map[int]string{
	http.StatusOK:                   "the request was completed",
	http.StatusCreated:              "a resource was created",
	http.StatusAccepted:             "accepted, not yet processed",
	http.StatusBadRequest:           "missing or invalid information",
	http.StatusUnauthorized:         "credentials missing or invalid",
	http.StatusForbidden:            "the user is not allowed to do this",
	http.StatusNotFound:             "no such resource",
	http.StatusMethodNotAllowed:     "method not supported here",
	http.StatusNotAcceptable:        "cannot answer in the accepted media type",
	http.StatusConflict:             "conflict with the present state",
	http.StatusUnsupportedMediaType: "content type not accepted",
	http.StatusTooManyRequests:      "too many requests",
	http.StatusInternalServerError:  "unexpected condition in the service",
	http.StatusServiceUnavailable:   "overloaded, in maintenance or not running",
}

// HTTPStatusText describes a status in the service's meaning, or else with the standard's text.
func HTTPStatusText(status int) string {
	if text, ok := httpTexts[status]; ok {
		return text
	}
	return http.StatusText(status)
}

// blockingStatuses are those with which a gateway may replace the response of a service that has acted, because
// something in it looked wrong.
var blockingStatuses = map[int]bool{
	http.StatusBadRequest:          true,
	http.StatusForbidden:           true,
	http.StatusNotAcceptable:       true,
	http.StatusConflict:            true,
	http.StatusUnprocessableEntity: true,
}

// refusingStatuses say that the server did not process the request. 408 is not among them: gateways send it when the
// service behind them is slow.
var refusingStatuses = map[int]bool{
	http.StatusBadRequest:                  true,
	http.StatusUnauthorized:                true,
	http.StatusForbidden:                   true,
	http.StatusNotFound:                    true,
	http.StatusMethodNotAllowed:            true,
	http.StatusNotAcceptable:               true,
	http.StatusConflict:                    true,
	http.StatusGone:                        true,
	http.StatusLengthRequired:              true,
	http.StatusPreconditionFailed:          true,
	http.StatusRequestEntityTooLarge:       true,
	http.StatusRequestURITooLong:           true,
	http.StatusUnsupportedMediaType:        true,
	http.StatusMisdirectedRequest:          true,
	http.StatusUnprocessableEntity:         true,
	http.StatusTooEarly:                    true,
	http.StatusUpgradeRequired:             true,
	http.StatusTooManyRequests:             true,
	http.StatusRequestHeaderFieldsTooLarge: true,
}
