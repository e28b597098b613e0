package simulator

import "net/http"

// Names of calls that are not in the document.
const (
	callToken      = "token"
	callUnknown    = "unknown"
	callRedirected = "redirected"
)

// route describes one call: its name, what it requires, how it refuses, what it does.
type route struct {
	call, method, path string
	headers            []string // required besides Authorization
	when               func(*http.Request) bool
	subject            func(*Simulator, *call) // records what the request is about, before it is processed
	handle             func(*Simulator, *call) *response
	fail               func(status int, text string) *response // the chapter's error body
	badHeaders         func(text string) *response
	objectStore        bool
	scheduler          bool
}

// routes returns the table of all calls. Source: the chapters named, and the documentation of the object store.
func routes(tenant string) []route {
	user := []string{"ofs_remote_user", "locale", "ofs_tenant_id", "ofs_workspace_id"}
	service := append([]string{"ofs_service_id"}, user...)
	base := "/" + tenant
	all := []route{
		{call: callToken, method: "POST", path: tokenPath, subject: subjectGrant, handle: (*Simulator).token, fail: func(status int, text string) *response {
			if status >= 500 {
				return oauthError(status, "server_error", text)
			}
			return oauthError(status, "invalid_request", text)
		}},
	}
	add := func(template route, list ...route) {
		for _, r := range list {
			r.fail, r.badHeaders = template.fail, template.badHeaders
			r.scheduler, r.objectStore = template.scheduler, template.objectStore
			if r.badHeaders == nil {
				r.badHeaders = func(text string) *response { return r.fail(400, text) }
			}
			if r.headers == nil {
				r.headers = template.headers
			}
			r.path = base + r.path
			all = append(all, r)
		}
	}

	const utils = "/utils-service/v1"
	add(route{fail: utilsError, headers: user}, // chapter 3
		route{call: "upload-par", method: "POST", path: utils + "/file/uploadfile/parURL", subject: subjectUpload, handle: (*Simulator).uploadPAR},
		route{call: "scan-file", method: "PUT", path: utils + "/file/scan/{id}", headers: service, subject: subjectFileID, handle: (*Simulator).scanFile},
		route{call: "list-files", method: "GET", path: utils + "/listfiles", handle: (*Simulator).listFiles},
		route{call: "download-by-name", method: "GET", path: utils + "/file/download", subject: subjectFileName, handle: (*Simulator).downloadByName},
		route{call: "download-by-id", method: "GET", path: utils + "/file/downloadfile/{id}", subject: subjectFileID, handle: (*Simulator).downloadByID},
	)
	const deleted = "File Deleted Successfully"
	for _, method := range []string{http.MethodPost, http.MethodDelete} { // 24B, chapter 8
		add(route{fail: utilsError, headers: user},
			route{call: "delete-by-id", method: method, path: utils + "/file/deletefile/{id}", subject: subjectFileID, handle: deletion((*Simulator).fileToDelete, deleted)},
			route{call: "delete-by-name", method: method, path: utils + "/file/deletefilename/{name}", subject: subjectDeletion, handle: deletion((*Simulator).filesNamed, deleted)},
			route{call: "delete-by-names", method: method, path: utils + "/file/deletefilenames", handle: deletion((*Simulator).filesInList, deleted)},
			route{call: "delete-by-prefix", method: method, path: utils + "/file/deleteprefix/{prefix}", subject: subjectDeletion, handle: deletion((*Simulator).filesOfPrefix, "Files Deleted Successfully")},
		)
	}
	add(route{fail: migrationError, headers: service},
		route{call: "as-of-date", method: "GET", path: "/public/preferences/asofdate", handle: (*Simulator).readAsOfDate},                                            // 26B, chapter 6
		route{call: "set-as-of-date", method: "POST", path: "/public/preferences/asofdate", handle: (*Simulator).setAsOfDate},                                        // 26B, chapter 6
		route{call: "export-manifest", method: "GET", path: "/dataextractor/getDataExportManifestFile", subject: subjectExport, handle: (*Simulator).exportManifest}, // 26B, chapter 7
		route{call: "copy-export", method: "POST", path: "/public/migrate/export/copyoutline", subject: subjectCopy, handle: copyOutline(exportKind)},                // 24C
		route{call: "copy-import", method: "POST", path: "/public/migrate/import/copyoutline", subject: subjectCopy, handle: copyOutline(importKind)},                // 24D
		route{call: "published-report", method: "POST", path: "/analytics/v1/parUrlgenerator", headers: user, handle: (*Simulator).publishedReport},                  // 25D, 3.1
	)
	for _, kind := range []string{exportKind, importKind} { // chapters 4 to 7
		add(route{fail: migrationError, headers: user},
			route{call: kind, method: "POST", path: "/public/migrate/" + kind + "/{code}", subject: subjectCode, handle: migrate(kind)},
			route{call: kind + "-status", method: "GET", path: "/public/status/" + kind + "/{code}", subject: subjectCode, handle: migrationStatus(kind, UpperStatusPath)},
			route{call: kind + "-status", method: "GET", path: "/Public/status/" + kind + "/{code}", subject: subjectCode, handle: migrationStatus(kind, LowerStatusPath)},
		)
	}
	const reports = "/aai-dmi-service/vw/v1"
	add(route{fail: reportError}, // chapters 8 and 9
		route{call: "report", method: "POST", path: reports + "/repgen", subject: subjectReport, handle: (*Simulator).generateReport,
			headers: append([]string{"reportcode", "reportType", "appid", "reportDefType"}, service...)},
		route{call: "report-status", method: "POST", path: reports + "/repgenstatus", subject: subjectReport, handle: (*Simulator).reportStatus,
			headers: append([]string{"reportcode", "reportInstanceID"}, service...)},
	)
	const scheduler = "/SchedulerService/rest-api/v1/external/"
	add(route{fail: schedulerError, badHeaders: schedulerHeaders, headers: service, scheduler: true}, // chapter 10
		route{call: "trigger", method: "POST", path: scheduler + "trigger", subject: subjectTrigger, handle: (*Simulator).trigger},
		route{call: "status", method: "POST", path: scheduler + "status", subject: subjectRun, handle: (*Simulator).runStatus},
		route{call: "interrupt", method: "POST", path: scheduler + "interrupt", subject: subjectRun, handle: (*Simulator).interrupt},
		route{call: "rerun", method: "POST", path: scheduler + "rerun", subject: subjectRun, handle: (*Simulator).rerun},
		route{call: "restart", method: "POST", path: scheduler + "restart", subject: subjectRun, handle: (*Simulator).restart},
	)
	const par = "/p/{secret}/n/{ns}/b/{bucket}"
	base = ""
	multipart := func(r *http.Request) bool { return r.Header.Get("opc-multipart") == "true" }
	add(route{fail: storeError, objectStore: true},
		route{call: "multipart-create", method: "PUT", path: par + "/o/{object...}", when: multipart, subject: subjectPAR, handle: (*Simulator).createUpload},
		route{call: "object-put", method: "PUT", path: par + "/o/{object...}", subject: subjectPAR, handle: (*Simulator).putObject},
		route{call: "object-get", method: "GET", path: par + "/o/{object...}", subject: subjectPAR, handle: (*Simulator).getObject},
		route{call: "object-head", method: "HEAD", path: par + "/o/{object...}", subject: subjectPAR, handle: (*Simulator).getObject},
		route{call: "part-put", method: "PUT", path: par + "/u/{upload...}", subject: subjectPAR, handle: (*Simulator).putPart},
		route{call: "multipart-commit", method: "POST", path: par + "/u/{upload...}", subject: subjectPAR, handle: (*Simulator).commitUpload},
		route{call: "multipart-abort", method: "DELETE", path: par + "/u/{upload...}", subject: subjectPAR, handle: (*Simulator).abortUpload},
	)
	return all
}
