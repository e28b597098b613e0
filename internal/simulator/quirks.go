package simulator

import (
	"fmt"
	"slices"
	"sync"
)

// Quirk names a way in which a tenant may differ from the document's main text.
type Quirk string

// Quirks are active quirks; none by default.
type Quirks []Quirk

const (
	RefreshRotates     Quirk = "refresh-rotates"
	NoRefreshToken     Quirk = "no-refresh-token"
	FlatAnswer         Quirk = "flat-answer"
	ArrayBody          Quirk = "array-body"
	CountLies          Quirk = "count-lies"
	NameCapitalised    Quirk = "name-capitalised"
	ISODates           Quirk = "iso-dates"
	FileIDAsString     Quirk = "file-id-as-string"
	ScanRequired       Quirk = "scan-required"
	ScanEmpty          Quirk = "scan-empty"
	ScanInfected       Quirk = "scan-infected"
	ScanLater          Quirk = "scan-later"
	NoScan             Quirk = "no-scan"
	DeleteMethodDelete Quirk = "delete-method-delete"
	DeleteUnknown200   Quirk = "delete-unknown-200"
	DeleteUnknown400   Quirk = "delete-unknown-400"
	DeleteOtherText    Quirk = "delete-other-text"
	DeleteLater        Quirk = "delete-later"
	DeletePrefixBegins Quirk = "delete-prefix-begins"
	AsOfDateKept       Quirk = "as-of-date-kept"
	ManifestOtherRun   Quirk = "manifest-other-run"
	ManifestOtherDate  Quirk = "manifest-other-date"
	ManifestDayFirst   Quirk = "manifest-day-first"
	ManifestBareNames  Quirk = "manifest-bare-names"
	StatusFetched      Quirk = "status-fetched"
	CopyNotInStatus    Quirk = "copy-not-in-status"
	CreatedStatuses    Quirk = "created-statuses"
	UpperStatusPath    Quirk = "upper-status-path"
	LowerStatusPath    Quirk = "lower-status-path"
	Progress200        Quirk = "progress-200"
	ServiceIDOnExport  Quirk = "service-id-on-export"
	ReportHeadersCamel Quirk = "report-headers-camel"
	ReportIDNumber     Quirk = "report-id-number"
	ReportIDRequest    Quirk = "report-id-request"
	ReportIDReport     Quirk = "report-id-report"
	ReportIDLowercase  Quirk = "report-id-lowercase"
	LinkLowercase      Quirk = "link-lowercase"
	CompletedFailed    Quirk = "completed-failed"
	ReportOther        Quirk = "report-other-instance"
	StatusWantsBody    Quirk = "status-wants-body"
	ParamsAsString     Quirk = "params-as-string"
	TaskArrays         Quirk = "task-arrays"
	StatusTasksString  Quirk = "status-tasks-string"
	TaskParamsBatches  Quirk = "task-params-batches"
	TaskParamsMembers  Quirk = "task-params-members"
	GroupLevelDate     Quirk = "group-level-date"
	CodesAsNumbers     Quirk = "codes-as-numbers"
	TextNoise          Quirk = "text-noise"
	UnknownCode        Quirk = "unknown-code"
	RestartNewID       Quirk = "restart-new-id"
	RerunSameID        Quirk = "rerun-same-id"
	SchedulerErrors200 Quirk = "scheduler-errors-200"
	SchedulerErrors500 Quirk = "scheduler-errors-500"
	PAR401             Quirk = "par-401"
	PAR403             Quirk = "par-403"
	UploadPARWriteOnly Quirk = "upload-par-write-only"
)

// QuirkInfo says what a quirk does and where it was found.
type QuirkInfo struct {
	Name   Quirk
	Does   string
	Source string
}

// AllQuirks returns the table of quirks.
func AllQuirks() []QuirkInfo {
	const sibling = "documents of sibling services and other releases"
	return []QuirkInfo{
		{RefreshRotates, "a refresh returns a new refresh token and invalidates the old one", "IAM: refresh tokens may rotate"},
		{NoRefreshToken, "the scope offline_access is refused", "IFRS9 24C and CFE 26D, Generate Access Token: a scope without it"},
		{FlatAnswer, "the response to an upload request is flat, not in payload", "chapter 3, Table 3-2 against the response sample"},
		{ArrayBody, "the upload request must be an array of one object", "chapter 3, Request JSON Sample against the curl command"},
		{CountLies, "count in the file list is wrong", "chapter 3, Viewing List of Uploaded Files: count is not defined"},
		{NameCapitalised, "the file list capitalises the first letter of names", "chapter 3: idcs_log1.txt is listed as Idcs_log3.txt"},
		{ISODates, "the file list has dates like 2023-01-31T09:14:16", "chapter 3: two formats in its samples"},
		{FileIDAsString, "file ids are strings", "chapter 3: INTEGER in the table, text elsewhere"},
		{ScanRequired, "a file is listed and readable only after the scan call", "FTP 24C, Step 4: whether it must be scanned is not said"},
		{ScanEmpty, "the scan answers nothing", "FTP 24C, Step 4: the script looks only at cURL's exit code"},
		{ScanInfected, "the scan answers success, and its scanStatus is INFECTED", "FTP 24C, Step 4: neither an answer nor a verdict is shown"},
		{ScanLater, "the first scan of a file answers INPROGRESS, and so do those of the next 5 s", "FTP 24C, Step 4: whether the script waits is not said"},
		{NoScan, "there is no scan", "the public API guide has no such call"},
		{DeleteMethodDelete, "files are deleted with DELETE, not POST", "ALM 24C and CFE 26D, Delete (DELETE) API, against their cURL lines"},
		{DeleteUnknown200, "deleting an unknown file succeeds", "no page gives the answer for an unknown id"},
		{DeleteUnknown400, "deleting an unknown file is refused with 400", "no page gives the answer for an unknown id"},
		{DeleteOtherText, "a deletion is answered in the user's language", "chapter 1: every call has a locale"},
		{DeleteLater, "a deleted file is listed for another 30 s", "no page says whether a delete is immediate"},
		{DeletePrefixBegins, "deleting a prefix deletes every prefix that begins so", "IFRS9 24C, Delete Files Using Prefix Value, does not say"},
		{AsOfDateKept, "setting the as-of date answers success and changes nothing", "26B, chapter 6: nothing proves the change but reading it"},
		{ManifestOtherRun, "the manifest is of another run", "ALM 26A, 4.10.2.4: its sample answers another run than the one asked for"},
		{ManifestOtherDate, "the manifest has another as-of date", "26B, 7.1.2: the sample cannot tell the day from the month"},
		{ManifestDayFirst, "the manifest's dates are dd/MM/yyyy, without a zone", "26B, 7.1.2: dateFormat is a pattern"},
		{ManifestBareNames, "the manifest has names of files instead of URLs", "ALM 26A, 4.10.2.4"},
		{StatusFetched, "the status of a migration is STATUS_FETCHED with Success, Failed, In Process or Saved", "DFCS and AFCS since 23D"},
		{CopyNotInStatus, "the status of a copy that nobody has run is unknown", "24C, Re-Export API: not said"},
		{CreatedStatuses, "requests that create something return 201, those that start something 202", "chapter 1, Table 1-2"},
		{UpperStatusPath, "migration status is served only under /Public", "chapter 6, End Point Details"},
		{LowerStatusPath, "migration status is served only under /public", "chapter 7, End Point Details"},
		{Progress200, "a migration in progress returns HTTP 200", "chapters 6 and 7 give no sample of it"},
		{ServiceIDOnExport, "an export is refused without ofs_service_id", "26D, End Point Details of export"},
		{ReportHeadersCamel, "a gateway passes the report status call only with reportCode and reportInstanceId; from the start, not later", "26D, 4.2.1"},
		{ReportIDNumber, "report instance ids are numbers", "chapter 9: reportInstanceID is an Integer in the headers, a String in the response"},
		{ReportIDRequest, "the id is always requestInstanceId", "chapter 9, last two samples"},
		{ReportIDReport, "the id is always reportInstanceId", "chapter 9, samples of FAIL and COMPLETE"},
		{ReportIDLowercase, "the id is always requestInstanceid", "chapter 9, Response JSON Parameters"},
		{LinkLowercase, "the link is downloadlink", "chapter 9, Response JSON Parameters"},
		{CompletedFailed, "statuses are COMPLETED and FAILED", "chapter 9, list of statuses against the samples"},
		{ReportOther, "the status of a report is that of the instance before it", "chapter 9: its samples answer other ids than the one requested"},
		{StatusWantsBody, "the report status call is refused without a JSON body", "some gateways refuse a POST without one"},
		{ParamsAsString, "dynamicParamList must be a JSON-encoded string", sibling},
		{TaskArrays, "excludedTasks, heldTasks and includedTasks must be arrays, not strings", "no page shows an array; a tenant may differ"},
		{StatusTasksString, "tasks of a status request must be a string", "chapter 10: List of Task Codes, without a sample"},
		{TaskParamsBatches, "a batch takes taskRuntimeParams beside batchParams", "25C, Batch Execution API"},
		{TaskParamsMembers, "the members of a group take taskRuntimeParams too", "IFRS9 23C, Batch Group Execution API"},
		{GroupLevelDate, "a group takes $FICMISDATE$ beside batchName, for members without a date", "readiness 26D; before, it is ignored"},
		{CodesAsNumbers, "all scheduler codes are numbers", "chapter 10: Table 10-1 against the samples"},
		{TextNoise, "the scheduler's status texts are misleading; the codes are right", "chapter 10: the texts are not listed"},
		{UnknownCode, "every third status of an ongoing run has batchStatusCode 7", "chapter 10: the list of codes may grow"},
		{RestartNewID, "a restart continues under a new run id", "chapter 10, Restart API: the sample does not say which id it is"},
		{RerunSameID, "a rerun keeps the run id", "chapter 10, Rerun API: the sample does not say which id it is"},
		{SchedulerErrors200, "the scheduler refuses with HTTP 200", "chapter 10 gives no HTTP status for codes -3 to -8"},
		{SchedulerErrors500, "the scheduler refuses with HTTP 500", "chapter 10 gives no HTTP status for codes -3 to -8"},
		{PAR401, "an expired or unknown PAR returns 401", "object store: 401, 403 and 404 are possible"},
		{PAR403, "an expired or unknown PAR returns 403", "object store: 401, 403 and 404 are possible"},
		{UploadPARWriteOnly, "HEAD and GET through an upload PAR return 404", "object store: the kind of PAR is not documented"},
	}
}

// quirkSet is the set of active quirks. It may change while the server runs.
type quirkSet struct {
	mu sync.Mutex
	on map[Quirk]bool
}

func (q *quirkSet) set(names Quirks) error {
	on := map[Quirk]bool{}
	for _, n := range names {
		if !slices.ContainsFunc(AllQuirks(), func(i QuirkInfo) bool { return i.Name == n }) {
			return fmt.Errorf("unknown quirk %q", n)
		}
		on[n] = true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.on = on
	return nil
}

func (q *quirkSet) has(name Quirk) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.on[name]
}
