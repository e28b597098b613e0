package pbsm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The document's samples, verbatim. Line breaks within strings come from the page layout; they make the JSON
// invalid, and the client must read it nevertheless.
const (
	sampleUpload = `{
  "payload": {
    "uploadURL": "https://objectstorage.us-phoenix-1.oraclecloud.com/p/
bdSI-hzigiAoUU0lyEKnuK0YGs05L172gt_woZAgqNFYmUFQeexV3BDfT097mhBI/n/
oraclegbudevcorp/b/fsgbu_pbsm_cndevcorp_ftpqa101231-prd_default/o/default/
2023-01-31/jfr/f9ce031f-4a42-471d-b4da-d0577f3eca15",
    "createUser": "user1",
    "stripeName": "default",
    "fileId": 5025,
    "createDate": "2023-01-31T09:14:16",
    "token": "",
    "status": "success"
  }
}`
	sampleList = `{
  "payload":
  [
    {
      "v_file_name": "Idcs_log3.txt",
      "n_file_id": 9916,
      "d_upload_date": "31-
      JAN-23
      06:33:43 AM",
      "v_stripe_name": "default"
    },
    {
      "v_file_name": "Idcs_log4.txt",
      "n_file_id": 9917,
      "d_upload_date": "31-
      JAN-23
      06:40:25 AM",
      "v_stripe_name": "default"
    }
  ],
  "count": 2
}`
	sampleDownloadByName = `{"payload":{"downloadURL":"https://objectstorage.us-
phoenix-1.oraclecloud.com/p/8R68eVcQAxQjNjK_S04MZjS-
v4BqEbWSILvu0w40kJNrzfKeCB8vWBwugW5XvsK/n/oraclegbudevcorp/b/
fsgbu_pbsm_cndevcorp_aaitestdev1001-prd_default/o/default/2023-01-20/rnz/
6c023e75-09e2-4265-815e-32cedcd2415e?
httpResponseContentDisposition=ATTACHMENT%3B%20filename%3Dtest3GB.xml"}}`
	sampleDownloadByID = `{"payload":{"downloadURL":"https://objectstorage.us-
phoenix-1.oraclecloud.com/p/
gTxxzhqLEea4Or2TRkBqTqHxt_JogVFfa9G_0wtN8NYy_op0Zk41vKGDxxeXGhLq7/n/
oraclegbudevcorp/b/fsgbu_pbsm_cndevcorp_aaitestdev1001-prd_default/o/
default/2023-01-31/fae/2d63d2fe-2090-4fb7-a4c8-9940d22987db?
httpResponseContentDisposition=ATTACHMENT%3B%20filename%3DIcds_log3.txt"}}`

	sampleMigrationTriggered = `{
  "errorMessage": "Object Migration Triggered",
  "statusCode": "TRIGGERED_SUCCESS",
  "status": "SUCCESS"
}`
	sampleExportComplete = `{
  "errorMessage": "Export already completed",
  "statusCode": "EXPORT_ALREADY_COMPLETE",
  "status": "FAILED"
}`
	sampleImportComplete = `{
  "errorMessage": "Import already completed",
  "statusCode": "IMPORT_ALREADY_COMPLETE",
  "status": "FAILED"
}`
	sampleMigrationInvalid = `{
  "errorMessage":"Code does not exist",
  "statusCode": "INVALID_INPUT",
"status": "FAILED"  
}`
	sampleExportInProgress = `{
  "errorMessage": "Export in progress",
  "statusCode": "EXPORT_INPROGRESS",
  "status": "INPROGRESS"
}`
	sampleImportInProgress = `{
  "errorMessage": "Import in progress",
  "statusCode": "IMPORT_INPROGRESS",
  "status": "INPROGRESS"
}`
	sampleMigrationInternal = `{
  "errorMessage": "Internal Server Error",
  "statusCode": "INTERNAL_ERROR",
  "status": "FAILED"
}`
	sampleMigrationStatus = `{
  "errorMessage": "Status fetched Successfully",
  "statusCode": "SUCCESS",
  "status": "SUCCESS"
}`

	sampleReportPending = `{
  "status": "PENDING",
  "requestInstanceId": "100"
}`
	sampleReportRunning = `{
  "status": "RUNNING",
  "requestInstanceId": "100"}`
	sampleReportFail = `{
  "status": "FAIL",
  "reportInstanceId": "100"}`
	// The document's <url> stands for a link.
	sampleReportComplete = `{
  "status": "COMPLETE",
  "reportInstanceId": "100",
  "downloadLink": "https://objectstorage.example.com/p/x/n/y"
}`

	sampleDeleted = `{"payload":"File Deleted Successfully"}`
	// After the sample of 26B, 7.1.2, whose date cannot tell the day from the month.
	sampleManifest = `{"payload":{"batchRunId":"Data_Extraction_1_2000-01-01_1","taskId":"Task1","executedBy":"U","rowsLoaded":"1",
		"fileDetails":[{"fileName":"https://h/p/secret/n/x/b/y/o/R/Task1/x_1_20260619.xml.gz","fileSize":"247"}],
		"asOfDate":"01-02-2000","dateFormat":"MM-dd-yyyy HH:mm:ss UTC","parUrlExpiryTime":"07-07-2026 10:14:04",
		"statusCode":"SUCCESS","statusName":"Success"},"status":"Success"}`

	sampleTrigger = `{
  "severity": "info",
  "summary": "Object triggered successfully with Run Id:
B2001_2022-05-20_1653041947296_1",
  "batchRunId": "B2001_2022-05-20_1653041947296_1",
  "details": "Object triggered successfully.",
  "statusCode": "0",
  "status": "success"
}`
	sampleBatchStatus = `{
  "severity": "info",
  "batchRunId": "BatchTEST1_2022-05-31_1653994545003_1",
  "taskStatusList": [
    {
      "taskCode": "t1",
      "taskStatus": "SUCCESSFUL",
      "statusCode": "0"
    },
    {
      "taskCode": "t5",
      "taskStatus": "FAILED",
      "statusCode": "-1"
    }
  ],
  "batchStatusCode": "-1",
  "batchList": [],
  "batchStatus": "FAILED",
  "status": "success",
  "statusCode": "0"
}`
	sampleGroupStatus = `{
  "severity": "info",
  "batchRunId": "AbTestBG001_2023-01-27_1674798339245_1",
  "batchStatusCode": "0",
  "batchList": [
    {
      "batchRunId": "AbTestBatch002_2023-01-27_1674798339462_1",
      "batchStatusCode": "0",
      "batchStatus": "SUCCESSFUL"
    },
    {
      "batchRunId": "AbTestBatch003_2023-01-27_1674798339556_1",
      "batchStatusCode": "0",
      "batchStatus": "SUCCESSFUL"
    }
  ],
  "batchStatus": "SUCCESSFUL",
  "status": "success",
  "statusCode": "0"
}`
	sampleInterrupt = `{
  "severity": "info",
  "batchRunId": "B2001_2022-05-30_1653233511394_1",
  "details": "Execution interrupted successfully.",
  "statusCode": "0",
  "status": "success"
}`
	sampleRerun = `{
  "severity": "info",
  "summary": "Object triggered successfully for rerun with Run Id:
B2001_2022-05-30_1653223084727_1",
  "batchRunId": "B2001_2022-05-30_1653223084727_1",
  "details": "Object triggered successfully.",
  "statusCode": "0",
  "status": "success"
}`
	sampleRestart = `{
  "severity": "info",
  "summary": "Object triggered successfully for restart with Run Id:
B0001_2022-04-30_1651731208588_1",
  "batchRunId": "B0001_2022-04-30_1651731208588_1",
  "details": "Object triggered successfully.",
  "statusCode": "0",
  "status": "success"
}`
)

func sampleCode(code StatusCode) string {
	return fmt.Sprintf(`{"severity":"error","summary":"refused","statusCode":%q,"status":"failed"}`, code)
}

func par(t testing.TB, raw string) PAR {
	p, err := NewPAR(raw)
	require.NoError(t, err)
	return p
}

const runID = "B2001_2022-05-30_1653233511394_1"

var (
	upload = func(ctx context.Context, c *Client) (any, error) {
		return c.CreateUploadPAR(ctx, UploadRequest{FileName: "File.csv", FileSize: 7654})
	}
	byName = func(ctx context.Context, c *Client) (any, error) {
		return c.CreateDownloadPARByName(ctx, DownloadRequest{FileName: "test3GB.xml"})
	}
	byID    = func(ctx context.Context, c *Client) (any, error) { return c.CreateDownloadPARByID(ctx, "9916") }
	scan    = func(ctx context.Context, c *Client) (any, error) { return c.ScanFile(ctx, "5025") }
	export  = func(ctx context.Context, c *Client) (any, error) { return c.ExportMigration(ctx, "M1") }
	imports = func(ctx context.Context, c *Client) (any, error) { return c.ImportMigration(ctx, "M1") }
	exportS = func(ctx context.Context, c *Client) (any, error) { return c.ExportStatus(ctx, "M1") }
	importS = func(ctx context.Context, c *Client) (any, error) { return c.ImportStatus(ctx, "M1") }
	report  = func(ctx context.Context, c *Client) (any, error) {
		return c.GenerateReport(ctx, ReportRequest{ReportCode: "RPT001", ReportType: "CSV", FilterCriteria: "T.CREATED_BY = 'DMIUSER1'"})
	}
	reportS = func(ctx context.Context, c *Client) (any, error) {
		return c.ReportStatus(ctx, "RPT001", "100")
	}
	reportS161 = func(ctx context.Context, c *Client) (any, error) {
		return c.ReportStatus(ctx, "RPT001", "161")
	}
	group = func(ctx context.Context, c *Client) (any, error) {
		return c.Trigger(ctx, TriggerRequest{Code: "BG001", Type: BatchGroup, Batches: []BatchParams{
			{BatchName: "MIS_BATCH001", Params: map[string]string{"$FICMISDATE$": "2022-10-23"}},
			{BatchName: "MIS_BATCH002", Params: map[string]string{"$FICMISDATE$": "2022-10-28"}},
		}})
	}
	bare = func(ctx context.Context, c *Client) (any, error) {
		return c.Trigger(ctx, TriggerRequest{Code: "B2001", Type: Batch, IncludedTasks: []string{"t1"}, ExcludedTasks: []string{"t2"}, HeldTasks: []string{"t3", "t4"}})
	}
	deleteID    = func(ctx context.Context, c *Client) (any, error) { return c.DeleteFile(ctx, "9916") }
	deleteName  = func(ctx context.Context, c *Client) (any, error) { return c.DeleteFileByName(ctx, "a.txt", "in/x") }
	deleteNames = func(ctx context.Context, c *Client) (any, error) {
		return c.DeleteFilesByName(ctx, []string{"a.txt", "b.txt"})
	}
	deletePrefix = func(ctx context.Context, c *Client) (any, error) { return c.DeleteFilesByPrefix(ctx, "in") }
	asOf         = func(ctx context.Context, c *Client) (any, error) { return c.AsOfDate(ctx, Preference{App: "FTP"}) }
	setAsOf      = func(ctx context.Context, c *Client) (any, error) {
		return nil, c.SetAsOfDate(ctx, Preference{App: "FTP", UserID: "ann"}, "2026-12-31")
	}
	manifest = func(ctx context.Context, c *Client) (any, error) {
		return c.ExportManifest(ctx, ManifestRequest{Code: "EXP", RunID: "Data_Extraction_1_2000-01-01_1", AsOfDate: "2000-01-02"})
	}
	copyExport = func(ctx context.Context, c *Client) (any, error) { return c.CopyExport(ctx, "OLD", "NEW_1") }
	copyImport = func(ctx context.Context, c *Client) (any, error) { return c.CopyImport(ctx, "OLD", "NEW_1", true) }
	published  = func(ctx context.Context, c *Client) (any, error) {
		return c.PublishedReportPAR(ctx, "n1", "BIP/BIP_Report")
	}
	taskParams = func(ctx context.Context, c *Client) (any, error) {
		return c.Trigger(ctx, TriggerRequest{Code: "B2001", Type: Batch, TaskParams: map[string]map[string]string{"TASK1": {"PARAM": "7"}}})
	}
	memberTaskParams = func(ctx context.Context, c *Client) (any, error) {
		return c.Trigger(ctx, TriggerRequest{Code: "BG001", Type: BatchGroup, Batches: []BatchParams{
			{BatchName: "B1", TaskParams: map[string]map[string]string{"TASK1": {"PARAM": "7"}}},
		}})
	}
	datedGroup = func(ctx context.Context, c *Client) (any, error) {
		return c.Trigger(ctx, TriggerRequest{Code: "BG001", Type: BatchGroup, AsOf: "2026-10-31"})
	}
	otherService = func(ctx context.Context, c *Client) (any, error) {
		return c.For(Application{ServiceID: "OFS_FTP"}).Trigger(ctx, TriggerRequest{Code: "B2001", Type: Batch})
	}
	status = func(ctx context.Context, c *Client) (any, error) {
		return c.Status(ctx, "BatchTEST1_2022-05-31_1653994545003_1")
	}
	groupStatus = func(ctx context.Context, c *Client) (any, error) {
		return c.Status(ctx, "AbTestBG001_2023-01-27_1674798339245_1", "t1", "t5")
	}
	interrupt = func(ctx context.Context, c *Client) (any, error) {
		return c.Interrupt(ctx, "B2001", runID)
	}
	rerun = func(ctx context.Context, c *Client) (any, error) {
		return c.Rerun(ctx, "B2001", runID)
	}
	restart = func(ctx context.Context, c *Client) (any, error) {
		return c.Restart(ctx, "B2001", runID)
	}
)

// The request, and the document's sample of its response.
func TestClient_calls(t *testing.T) {
	const base, ext = "/aaitestdev1001-prd", "/aaitestdev1001-prd/SchedulerService/rest-api/v1/external/"
	run := fmt.Sprintf(`{"batchName":"B2001","batchRunId":%q}`, runID)
	service := map[string]string{"ofs_service_id": "PBSM"}
	for name, tt := range map[string]struct {
		call   func(context.Context, *Client) (any, error)
		change func(*Config)
		send   string // method, URI and body
		header map[string]string
		status int
		reply  string
		want   any
	}{
		"upload PAR": {
			call: upload, send: "POST " + base + `/utils-service/v1/file/uploadfile/parURL?prefix= {"fileName":"File.csv","fileSize":7654,"mimeType":"Text/CSV"}`, reply: sampleUpload,
			want: UploadPAR{PAR: par(t, "https://objectstorage.us-phoenix-1.oraclecloud.com/p/bdSI-hzigiAoUU0lyEKnuK0YGs05L172gt_woZAgqNFYmUFQeexV3BDfT097mhBI/n/oraclegbudevcorp/b/fsgbu_pbsm_cndevcorp_ftpqa101231-prd_default/o/default/2023-01-31/jfr/f9ce031f-4a42-471d-b4da-d0577f3eca15"),
				FileID: "5025", CreateDate: "2023-01-31T09:14:16"},
		},
		"upload PAR, array": {
			call: upload, change: func(c *Config) { c.UploadBody = UploadBodyArray }, send: "POST " + base + `/utils-service/v1/file/uploadfile/parURL?prefix= [{"fileName":"File.csv","fileSize":7654,"mimeType":"Text/CSV"}]`,
			reply: `{"uploadURL":"https://h/p/x","fileId":"7"}`,
			want:  UploadPAR{PAR: par(t, "https://h/p/x"), FileID: "7"},
		},
		"upload PAR, override and prefix": {
			call: func(ctx context.Context, c *Client) (any, error) {
				return c.CreateUploadPAR(ctx, UploadRequest{FileName: "a", FileSize: 2, MimeType: "dat", Prefix: "in/x y"})
			},
			send:  "POST " + base + `/utils-service/v1/file/uploadfile/parURL?prefix=in%2Fx+y {"fileName":"a","fileSize":2,"mimeType":"dat"}`,
			reply: `{"uploadURL":"https://h/p/x","fileId":"7","fileName":"a"}`,
			want:  UploadPAR{PAR: par(t, "https://h/p/x"), FileID: "7"},
		},
		"scan":               {call: scan, send: "PUT " + base + "/utils-service/v1/file/scan/5025 ", header: service, reply: `{"status":"success","message":"clean"}`, want: Scan{Answer: `{"message":"clean","status":"success"}`}},
		"scan, in a payload": {call: scan, send: "PUT " + base + "/utils-service/v1/file/scan/5025 ", reply: `{"payload":{"fileId":"5025","status":"success"}}`, want: Scan{Answer: `{"payload":{"fileId":"5025","status":"success"}}`}},
		"scan, empty answer": {call: scan, send: "PUT " + base + "/utils-service/v1/file/scan/5025 ", status: 202, want: Scan{}},
		"file list": {
			call: list, send: "GET " + base + "/utils-service/v1/listfiles?stripeName=default ", reply: sampleList,
			want: []File{{ID: "9916", Name: "Idcs_log3.txt", UploadDate: "31- JAN-23 06:33:43 AM", StripeName: "default"}, {ID: "9917", Name: "Idcs_log4.txt", UploadDate: "31- JAN-23 06:40:25 AM", StripeName: "default"}},
		},
		"download by name": {
			call: byName, send: "GET " + base + "/utils-service/v1/file/download?fileName=test3GB.xml&prefix=&stripeName=default ", reply: sampleDownloadByName,
			want: par(t, "https://objectstorage.us-phoenix-1.oraclecloud.com/p/8R68eVcQAxQjNjK_S04MZjS-v4BqEbWSILvu0w40kJNrzfKeCB8vWBwugW5XvsK/n/oraclegbudevcorp/b/fsgbu_pbsm_cndevcorp_aaitestdev1001-prd_default/o/default/2023-01-20/rnz/6c023e75-09e2-4265-815e-32cedcd2415e?httpResponseContentDisposition=ATTACHMENT%3B%20filename%3Dtest3GB.xml"),
		},
		"download by id": {
			call: byID, send: "GET " + base + "/utils-service/v1/file/downloadfile/9916 ", reply: sampleDownloadByID,
			want: par(t, "https://objectstorage.us-phoenix-1.oraclecloud.com/p/gTxxzhqLEea4Or2TRkBqTqHxt_JogVFfa9G_0wtN8NYy_op0Zk41vKGDxxeXGhLq7/n/oraclegbudevcorp/b/fsgbu_pbsm_cndevcorp_aaitestdev1001-prd_default/o/default/2023-01-31/fae/2d63d2fe-2090-4fb7-a4c8-9940d22987db?httpResponseContentDisposition=ATTACHMENT%3B%20filename%3DIcds_log3.txt"),
		},
		"export": {call: export, send: "POST " + base + "/public/migrate/export/M1 ", reply: sampleMigrationTriggered,
			want: Migration{State: MigrationTriggered, StatusCode: "TRIGGERED_SUCCESS", Status: "SUCCESS", Message: "Object Migration Triggered"}},
		"import": {call: imports, send: "POST " + base + "/public/migrate/import/M1 ", reply: sampleMigrationTriggered,
			want: Migration{State: MigrationTriggered, StatusCode: "TRIGGERED_SUCCESS", Status: "SUCCESS", Message: "Object Migration Triggered"}},
		"export status": {call: exportS, send: "GET " + base + "/public/status/export/M1 ", reply: sampleMigrationStatus,
			want: Migration{State: MigrationDone, StatusCode: "SUCCESS", Status: "SUCCESS", Message: "Status fetched Successfully"}},
		"export status, the document's spelling": {call: exportS, change: func(c *Config) { c.ExportStatusPath = "/Public/status" }, send: "GET " + base + "/Public/status/export/M1 ", reply: sampleMigrationStatus,
			want: Migration{State: MigrationDone, StatusCode: "SUCCESS", Status: "SUCCESS", Message: "Status fetched Successfully"}},
		"import status": {call: importS, change: func(c *Config) { c.ExportStatusPath = "/Public/status" }, send: "GET " + base + "/public/status/import/M1 ", reply: sampleMigrationStatus,
			want: Migration{State: MigrationDone, StatusCode: "SUCCESS", Status: "SUCCESS", Message: "Status fetched Successfully"}},
		"import status, other spelling": {call: importS, change: func(c *Config) { c.ImportStatusPath = "/Public/status" }, send: "GET " + base + "/Public/status/import/M1 ", reply: sampleMigrationStatus,
			want: Migration{State: MigrationDone, StatusCode: "SUCCESS", Status: "SUCCESS", Message: "Status fetched Successfully"}},
		"report": {call: report, send: "POST " + base + `/aai-dmi-service/vw/v1/repgen {"filterCriteria":"T.CREATED_BY = 'DMIUSER1'","placeholderFilter":""}`,
			header: map[string]string{"ofs_service_id": "PBSM", "reportcode": "RPT001", "reportType": "CSV", "appid": "PBSMCS", "reportDefType": "V"}, reply: sampleReportPending,
			want: ReportInstance{ID: "100", State: ReportPending, Status: "PENDING"}},
		"report status": {call: reportS, send: "POST " + base + "/aai-dmi-service/vw/v1/repgenstatus ",
			header: map[string]string{"ofs_service_id": "PBSM", "reportcode": "RPT001", "reportInstanceID": "100"}, reply: sampleReportComplete,
			want: ReportInstance{ID: "100", State: ReportCompleted, Status: "COMPLETE", Download: par(t, "https://objectstorage.example.com/p/x/n/y")}},
		"report status, with a body": {call: reportS, change: func(c *Config) { c.ReportStatusBody = ReportStatusBodyObject }, send: "POST " + base + "/aai-dmi-service/vw/v1/repgenstatus {}",
			reply: sampleReportRunning, want: ReportInstance{ID: "100", State: ReportRunning, Status: "RUNNING"}},
		"trigger": {call: trigger, send: "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest","dynamicParamList":{"batchParams":{"$FICMISDATE$":"2026-10-31"}}}`, header: service, reply: sampleTrigger,
			want: Run{ID: "B2001_2022-05-20_1653041947296_1", Summary: "Object triggered successfully with Run Id: B2001_2022-05-20_1653041947296_1", Details: "Object triggered successfully."}},
		"trigger, parameters as a string": {call: trigger, change: func(c *Config) { c.DynamicParams = DynamicParamsString },
			send:  "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest","dynamicParamList":"{\"batchParams\":{\"$FICMISDATE$\":\"2026-10-31\"}}"}`,
			reply: `{"statusCode":0,"batchRunId":77}`, want: Run{ID: "77"}},
		"trigger, tasks and no parameters": {call: bare, send: "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest","excludedTasks":"t2","heldTasks":"t3,t4","includedTasks":"t1"}`,
			status: 202, reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"delete by id": {call: deleteID, send: "POST " + base + "/utils-service/v1/file/deletefile/9916 ", reply: sampleDeleted, want: "File Deleted Successfully"},
		"delete by id, with DELETE": {call: deleteID, change: func(c *Config) { c.DeleteMethod = "DELETE" },
			send: "DELETE " + base + "/utils-service/v1/file/deletefile/9916 ", reply: sampleDeleted, want: "File Deleted Successfully"},
		"delete by name":   {call: deleteName, send: "POST " + base + "/utils-service/v1/file/deletefilename/a.txt?prefix=in%2Fx ", reply: sampleDeleted, want: "File Deleted Successfully"},
		"delete by names":  {call: deleteNames, send: "POST " + base + `/utils-service/v1/file/deletefilenames ["a.txt","b.txt"]`, reply: sampleDeleted, want: "File Deleted Successfully"},
		"delete by prefix": {call: deletePrefix, send: "POST " + base + "/utils-service/v1/file/deleteprefix/in ", reply: `{"payload":"Files Deleted Successfully"}`, want: "Files Deleted Successfully"},
		"as-of date": {call: asOf, send: "GET " + base + "/public/preferences/asofdate?appName=FTP&userId=cneadmin ", header: service,
			reply: `{"as-of-date":"2026-12-31"}`, want: "2026-12-31"},
		"set as-of date, answer in mixed case": {call: setAsOf, send: "POST " + base + `/public/preferences/asofdate {"appName":"FTP","as-of-date":"2026-12-31","userId":"ann"}`,
			reply: `{"errorMessage":"","statusCode":"UPDATE_SUCCESS","status":"Success"}`},
		"set as-of date": {call: setAsOf, send: "POST " + base + `/public/preferences/asofdate {"appName":"FTP","as-of-date":"2026-12-31","userId":"ann"}`, header: service,
			reply: `{"errorMessage":"","statusCode":"UPDATE_SUCCESS","status":"SUCCESS"}`, want: nil},
		"export manifest": {call: manifest, send: "GET " + base + "/dataextractor/getDataExportManifestFile?batchRunId=Data_Extraction_1_2000-01-01_1&code=EXP ", header: service,
			reply: sampleManifest, want: Manifest{
				Ready: true, RunID: "Data_Extraction_1_2000-01-01_1", TaskID: "Task1", Status: "SUCCESS", AsOfDate: "2000-01-02", Rows: "1",
				Files:   []ExportedFile{{Name: "x_1_20260619.xml.gz", Size: "247", PAR: par(t, "https://h/p/secret/n/x/b/y/o/R/Task1/x_1_20260619.xml.gz")}},
				Expires: time.Date(2026, 7, 7, 10, 14, 4, 0, time.UTC),
			}},
		"copy of an export": {call: copyExport, send: "POST " + base + `/public/migrate/export/copyoutline {"existingMigrationCode":"OLD","newMigrationCode":"NEW_1"}`, header: service,
			reply: `{"errorMessage":"","statusCode":"EXPORT_OUTLINE_SAVED","status":"SUCCESS","migrationCode":"NEW_1"}`,
			want:  Migration{State: MigrationSaved, StatusCode: "EXPORT_OUTLINE_SAVED", Status: "SUCCESS"}},
		"copy of an import": {call: copyImport, send: "POST " + base + `/public/migrate/import/copyoutline {"existingMigrationCode":"OLD","newMigrationCode":"NEW_1","overWriteOptions":"Y"}`, header: service,
			reply: `{"errorMessage":"","statusCode":"IMPORT_OUTLINE_SAVED","status":"SUCCESS","migrationCode":"NEW_1"}`,
			want:  Migration{State: MigrationSaved, StatusCode: "IMPORT_OUTLINE_SAVED", Status: "SUCCESS"}},
		"export status, saved": {call: exportS, send: "GET " + base + "/public/status/export/M1 ", reply: `{"errorMessage":"","statusCode":"STATUS_FETCHED","status":"Saved"}`,
			want: Migration{State: MigrationSaved, StatusCode: "STATUS_FETCHED", Status: "SAVED"}},
		"export status, of a sibling": {call: exportS, send: "GET " + base + "/public/status/export/M1 ", reply: `{"errorMessage":"","statusCode":"STATUS_FETCHED","status":"Success"}`,
			want: Migration{State: MigrationDone, StatusCode: "STATUS_FETCHED", Status: "SUCCESS"}},
		"published report": {call: published, send: "POST " + base + `/analytics/v1/parUrlgenerator {"name":"n1","objectName":"BIP/BIP_Report"}`,
			reply: `{"id":"7","url":"https://h/p/x","status":"Success"}`, want: par(t, "https://h/p/x")},
		"trigger, tasks in arrays": {call: bare, change: func(c *Config) { c.TaskLists = TaskListsArray },
			send:  "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest","excludedTasks":["t2"],"heldTasks":["t3","t4"],"includedTasks":["t1"]}`,
			reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"trigger, parameters of tasks": {call: taskParams, change: func(c *Config) { c.TaskParams = TaskParamsBatches },
			send:  "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest","dynamicParamList":{"batchParams":{},"taskRuntimeParams":{"TASK1":{"PARAM":"7"}}}}`,
			reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"trigger of a group, parameters of tasks": {call: memberTaskParams, change: func(c *Config) { c.TaskParams = TaskParamsMembers },
			send:  "POST " + ext + `trigger {"batchName":"BG001","batchType":"group","dynamicParamList":[{"batchName":"B1","batchParams":{},"taskRuntimeParams":{"TASK1":{"PARAM":"7"}}}]}`,
			reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"trigger of a group with a date": {call: datedGroup, change: func(c *Config) { c.GroupDate = true },
			send:  "POST " + ext + `trigger {"$FICMISDATE$":"2026-10-31","batchName":"BG001","batchType":"group"}`,
			reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"trigger for another service": {call: otherService, send: "POST " + ext + `trigger {"batchName":"B2001","batchType":"rest"}`,
			header: map[string]string{"ofs_service_id": "OFS_FTP"}, reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"export with a service id": {call: export, change: func(c *Config) { c.ServiceIDOnExport = true }, send: "POST " + base + "/public/migrate/export/M1 ",
			header: service, reply: sampleMigrationTriggered,
			want: Migration{State: MigrationTriggered, StatusCode: "TRIGGERED_SUCCESS", Status: "SUCCESS", Message: "Object Migration Triggered"}},
		"status of two tasks, in a string": {call: groupStatus, change: func(c *Config) { c.StatusTasks = TaskListsString },
			send:  "POST " + ext + `status {"batchRunId":"AbTestBG001_2023-01-27_1674798339245_1","tasks":"t1,t5"}`,
			reply: `{"batchStatusCode":"2"}`, want: RunStatus{RunID: "AbTestBG001_2023-01-27_1674798339245_1", Code: CodeOngoing}},
		"trigger of a group": {call: group, send: "POST " + ext + `trigger {"batchName":"BG001","batchType":"group","dynamicParamList":[{"batchName":"MIS_BATCH001","batchParams":{"$FICMISDATE$":"2022-10-23"}},{"batchName":"MIS_BATCH002","batchParams":{"$FICMISDATE$":"2022-10-28"}}]}`,
			header: service, reply: sampleTrigger,
			want: Run{ID: "B2001_2022-05-20_1653041947296_1", Summary: "Object triggered successfully with Run Id: B2001_2022-05-20_1653041947296_1", Details: "Object triggered successfully."}},
		"trigger of a group, parameters as a string": {call: group, change: func(c *Config) { c.DynamicParams = DynamicParamsString },
			send:  "POST " + ext + `trigger {"batchName":"BG001","batchType":"group","dynamicParamList":"[{\"batchName\":\"MIS_BATCH001\",\"batchParams\":{\"$FICMISDATE$\":\"2022-10-23\"}},{\"batchName\":\"MIS_BATCH002\",\"batchParams\":{\"$FICMISDATE$\":\"2022-10-28\"}}]"}`,
			reply: `{"statusCode":"0","batchRunId":"x"}`, want: Run{ID: "x"}},
		"status of a batch": {call: status, send: "POST " + ext + `status {"batchRunId":"BatchTEST1_2022-05-31_1653994545003_1"}`, header: service, reply: sampleBatchStatus,
			want: RunStatus{RunID: "BatchTEST1_2022-05-31_1653994545003_1", Code: CodeFailure, Text: "FAILED", Tasks: []TaskStatus{{"t1", CodeSuccess, "SUCCESSFUL"}, {"t5", CodeFailure, "FAILED"}}}},
		"status of a group": {call: groupStatus, send: "POST " + ext + `status {"batchRunId":"AbTestBG001_2023-01-27_1674798339245_1","tasks":["t1","t5"]}`, header: service, reply: sampleGroupStatus,
			want: RunStatus{RunID: "AbTestBG001_2023-01-27_1674798339245_1", Code: CodeSuccess, Text: "SUCCESSFUL", Batches: []RunStatus{
				{RunID: "AbTestBatch002_2023-01-27_1674798339462_1", Code: CodeSuccess, Text: "SUCCESSFUL"}, {RunID: "AbTestBatch003_2023-01-27_1674798339556_1", Code: CodeSuccess, Text: "SUCCESSFUL"}}}},
		"interrupt": {call: interrupt, send: "POST " + ext + "interrupt " + run, header: service, reply: sampleInterrupt, want: Run{ID: runID, Details: "Execution interrupted successfully."}},
		"rerun": {call: rerun, send: "POST " + ext + "rerun " + run, header: service, reply: sampleRerun,
			want: Run{ID: "B2001_2022-05-30_1653223084727_1", Summary: "Object triggered successfully for rerun with Run Id: B2001_2022-05-30_1653223084727_1", Details: "Object triggered successfully."}},
		"restart": {call: restart, send: "POST " + ext + "restart " + run, header: service, reply: sampleRestart,
			want: Run{ID: "B0001_2022-04-30_1651731208588_1", Summary: "Object triggered successfully for restart with Run Id: B0001_2022-04-30_1651731208588_1", Details: "Object triggered successfully."}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = reply(max(tt.status, 200), tt.reply)
			if tt.change == nil {
				tt.change = func(*Config) {}
			}
			got, err := tt.call(t.Context(), s.client(t, tt.change))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)

			sent := s.calls[0]
			require.Equal(t, tt.send, sent.method+" "+sent.uri+" "+sent.body)
			if sent.body != "" {
				require.True(t, json.Valid([]byte(sent.body)))
			}
			typed := sent.method != http.MethodGet || strings.Contains(sent.uri, "/status/")
			require.Equal(t, typed, sent.header.Get("Content-Type") == "application/json", "required for POST and PUT (chapter 1), and in chapters 6 and 7")
			common := map[string]string{"Authorization": "Bearer token-1", "Accept": "application/json", "ofs_remote_user": "cneadmin", "locale": "en-US", "ofs_tenant_id": "aaitestdev1001-prd", "ofs_workspace_id": "WS001"}
			for _, header := range []map[string]string{common, tt.header} {
				for name, value := range header {
					require.Equal(t, value, sent.header.Get(name), name)
				}
			}
		})
	}
}

// Every trap: a response, and what the client makes of it. want is the success; otherwise the Error is described.
func TestClient_responses(t *testing.T) {
	const final, temporary = false, true
	type row struct {
		call         func(context.Context, *Client) (any, error)
		status       int
		reply        string
		header       []string
		labelled     string // the answer's Content-Type, when it is another one
		want         any
		code         string
		notProcessed bool
		temporary    bool
	}
	refused := func(call func(context.Context, *Client) (any, error), status int, reply, code string) row {
		return row{call: call, status: status, reply: reply, code: code, notProcessed: true, temporary: final}
	}
	unknown := func(call func(context.Context, *Client) (any, error), status int, reply, code string) row {
		return row{call: call, status: status, reply: reply, code: code, temporary: temporary}
	}
	ok := func(call func(context.Context, *Client) (any, error), status int, reply string, want any) row {
		return row{call: call, status: status, reply: reply, want: want}
	}
	page := `<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>`
	rows := map[string]row{
		// Deletion: the list of files is the proof
		"delete: another language": ok(deleteID, 200, `{"payload":"Fichier supprimé"}`, "Fichier supprimé"),
		"delete: another text":     ok(deleteID, 200, `{"payload":"In Progress"}`, "In Progress"),
		"delete: a bare sentence":  ok(deleteID, 200, `"File Deleted Successfully"`, "File Deleted Successfully"),
		"delete: no JSON":          ok(deleteID, 200, `File deleted`, "File deleted"),
		"delete: a status":         ok(deleteID, 200, `{"status":"success","payload":null}`, "status success"),
		"delete: a failed status":  unknown(deleteID, 200, `{"status":"success","payload":{"deleteStatus":"FAILED"}}`, ""),
		"delete: a failed payload": unknown(deleteID, 200, `{"payload":"FAILED"}`, ""),
		"delete: a page":           unknown(deleteID, 200, page, ""),
		"delete: broken off":       unknown(deleteID, 200, sampleDeleted[:20], ""),
		"delete: no user":          refused(deleteID, 403, `{"message":"user lacks FILE_DELETE"}`, ""),
		"delete: a failure at 200": unknown(deleteID, 200, `{"payload":{"status":"failed","errorMessage":"x"}}`, ""),
		"delete: empty":            ok(deleteID, 204, ``, ""),
		"delete: 404":              refused(deleteID, 404, `{"message":"no such file"}`, ""),
		"delete: 405":              refused(deleteID, 405, `{}`, ""),
		// Data export: only a finished one of the same run and date
		"manifest: of a sibling's mock":    {call: manifest, status: 200, reply: strings.ReplaceAll(sampleManifest, "Extraction_1_", "Extraction_2_"), temporary: final},
		"manifest: day and month swapped":  {call: manifest, status: 200, reply: strings.ReplaceAll(sampleManifest, "MM-dd", "dd-MM"), temporary: final},
		"manifest: unknown form of dates":  {call: manifest, status: 200, reply: strings.ReplaceAll(sampleManifest, "MM-dd-yyyy", "DDD-YYYY"), temporary: final},
		"manifest: no form of dates":       {call: manifest, status: 200, reply: strings.ReplaceAll(sampleManifest, "dateFormat", "x"), temporary: final},
		"manifest: expiry in another form": {call: manifest, status: 200, reply: strings.ReplaceAll(sampleManifest, "07-07-2026", "2026/07/07"), temporary: final},
		"manifest: ISO date":               ok(manifest, 200, strings.ReplaceAll(strings.ReplaceAll(sampleManifest, "SUCCESS", "ONGOING"), "01-02-2000", "2000-01-02"), Manifest{RunID: "Data_Extraction_1_2000-01-01_1", TaskID: "Task1", Status: "ONGOING", Rows: "1"}),
		"manifest: failed":                 ok(manifest, 200, strings.ReplaceAll(sampleManifest, "SUCCESS", "FAILED"), Manifest{Failed: true, RunID: "Data_Extraction_1_2000-01-01_1", TaskID: "Task1", Status: "FAILED", Rows: "1"}),
		"manifest: too early":              ok(manifest, 200, `{"payload":{"statusCode":"ONGOING","fileDetails":null},"status":"Success"}`, Manifest{RunID: "Data_Extraction_1_2000-01-01_1", Status: "ONGOING"}),
		"manifest: of no run":              {call: manifest, status: 200, reply: strings.Replace(sampleManifest, "Data_Extraction_1_2000-01-01_1", "", 1), temporary: final},
		"manifest: 403":                    {call: manifest, status: 403, reply: `{}`, notProcessed: true, temporary: final},
		// As-of date
		"as-of date: none":           unknown(asOf, 200, `{}`, ""),
		"as-of date: another form":   unknown(asOf, 200, `{"as-of-date":"31.12.2026"}`, ""),
		"set as-of date: refused":    refused(setAsOf, 400, sampleMigrationInvalid, "INVALID_INPUT"),
		"set as-of date: 500":        unknown(setAsOf, 500, sampleMigrationInternal, "INTERNAL_ERROR"),
		"published report: failed":   unknown(published, 200, `{"status":"Failed"}`, ""),
		"copy: the code exists":      refused(copyExport, 400, sampleMigrationInvalid, "INVALID_INPUT"),
		"copy: in progress":          {call: copyExport, status: 400, reply: sampleExportInProgress, code: "EXPORT_INPROGRESS", notProcessed: true, temporary: temporary},
		"copy: not saved":            unknown(copyExport, 500, `{"errorMessage":"x","statusCode":"OUTLINE_SAVE_FAILED","status":"FAILED"}`, "OUTLINE_SAVE_FAILED"),
		"copy: only a plain success": unknown(copyExport, 200, sampleMigrationStatus, "SUCCESS"),
		// Chapter 3
		"upload: 200 without a URL":         unknown(upload, 200, `{"payload":{"fileId":1,"status":"success"}}`, ""),
		"upload: 200 without an id":         unknown(upload, 200, `{"payload":{"uploadURL":"https://h/p/x","status":"success"}}`, ""),
		"upload: URL is not https":          unknown(upload, 200, `{"payload":{"uploadURL":"http://h/p/x","fileId":1}}`, ""),
		"upload: status is not success":     unknown(upload, 200, `{"payload":{"uploadURL":"https://h/p/x","fileId":1,"status":"failed"}}`, ""),
		"upload: 500 with a success in it":  unknown(upload, 500, sampleUpload, ""),
		"upload: 400":                       refused(upload, 400, `{"message":"bad name"}`, ""),
		"upload: an array of one":           ok(upload, 200, `{"payload":[{"uploadURL":"https://h/p/x","fileId":1}]}`, UploadPAR{PAR: par(t, "https://h/p/x"), FileID: "1"}),
		"upload: an array of two":           unknown(upload, 200, `{"payload":[{"uploadURL":"https://h/p/x","fileId":1},{}]}`, ""),
		"upload: an array of none":          unknown(upload, 200, `{"payload":[]}`, ""),
		"upload: payload of another shape":  unknown(upload, 200, `{"payload":"none"}`, ""),
		"list: empty":                       ok(list, 200, `{"payload":[],"count":7}`, []File{}),
		"list: null and a count of none":    ok(list, 200, `{"payload":null,"count":0}`, []File{}),
		"list: failed":                      unknown(list, 200, `{"payload":[],"count":0,"status":"FAILED"}`, ""),
		"list: null":                        unknown(list, 200, `{"payload":null}`, ""),
		"list: count lies, ids are strings": ok(list, 200, `{"payload":[{"n_file_id":"9","v_file_name":"a"}],"count":99}`, []File{{ID: "9", Name: "a"}}),
		"list: byte order mark":             ok(list, 200, "\ufeff"+`{"payload":[]}`, []File{}),
		"download: flat":                    ok(byName, 200, `{"downloadURL":"https://h/p/x"}`, par(t, "https://h/p/x")),
		"download: no link":                 unknown(byID, 200, `{"payload":{}}`, ""),
		"download: 404":                     refused(byID, 404, `{"message":"no such file"}`, ""),
		"download: page with 200":           unknown(byID, 200, page, ""),
		"scan: failed":                      {call: scan, status: 200, reply: `{"status":"FAILED"}`, temporary: final},
		"scan: failed, in a payload":        {call: scan, status: 200, reply: `{"payload":{"status":"failed"}}`, temporary: final},
		"scan: infected":                    {call: scan, status: 200, reply: `{"payload":{"scanStatus":"INFECTED"},"status":"success"}`, temporary: final},
		"scan: infected at 500":             {call: scan, status: 500, reply: `{"scanStatus":"VIRUS_FOUND"}`, temporary: final},
		"scan: in progress":                 ok(scan, 200, `{"status":"INPROGRESS"}`, Scan{Answer: `{"status":"INPROGRESS"}`, InProgress: true}),
		"scan: in progress arrives as 400":  ok(scan, 400, `{"status":"INPROGRESS"}`, Scan{Answer: `{"status":"INPROGRESS"}`, InProgress: true}),
		"scan: no virus":                    ok(scan, 200, `{"payload":"No virus found"}`, Scan{Answer: `{"payload":"No virus found"}`}),
		"scan: a sentence":                  ok(scan, 200, `File scanned`, Scan{Answer: "File scanned"}),
		"scan: failed at 500":               unknown(scan, 500, `{"status":"FAILED"}`, ""),
		"scan: page":                        unknown(scan, 200, page, ""),
		"scan: 404":                         refused(scan, 404, `{}`, ""),
		"scan: not JSON":                    unknown(scan, 200, `{"status":`, ""),

		// Chapters 4 to 7
		"export: already complete arrives as 400":   ok(export, 400, sampleExportComplete, Migration{State: MigrationDone, AlreadyComplete: true, StatusCode: "EXPORT_ALREADY_COMPLETE", Status: "FAILED", Message: "Export already completed"}),
		"import: already complete arrives as 400":   ok(imports, 400, sampleImportComplete, Migration{State: MigrationDone, AlreadyComplete: true, StatusCode: "IMPORT_ALREADY_COMPLETE", Status: "FAILED", Message: "Import already completed"}),
		"export: the import's completion is not it": refused(export, 400, sampleImportComplete, "IMPORT_ALREADY_COMPLETE"),
		"export: already complete at 500":           unknown(export, 500, sampleExportComplete, "EXPORT_ALREADY_COMPLETE"),
		"export: in progress arrives as 400":        ok(export, 400, sampleExportInProgress, Migration{State: MigrationInProgress, StatusCode: "EXPORT_INPROGRESS", Status: "INPROGRESS", Message: "Export in progress"}),
		"import: in progress arrives as 400":        ok(imports, 400, sampleImportInProgress, Migration{State: MigrationInProgress, StatusCode: "IMPORT_INPROGRESS", Status: "INPROGRESS", Message: "Import in progress"}),
		"export: in progress, spelled apart":        ok(export, 400, `{"statusCode":"EXPORT_IN_PROGRESS","status":"FAILED"}`, Migration{State: MigrationInProgress, StatusCode: "EXPORT_IN_PROGRESS", Status: "FAILED"}),
		"export status: in progress, spelled apart": ok(exportS, 200, `{"statusCode":"SUCCESS","status":"In-Progress"}`, Migration{State: MigrationInProgress, StatusCode: "SUCCESS", Status: "IN-PROGRESS"}),
		"export: broken off at 400":                 unknown(export, 400, sampleExportComplete[:40], ""),
		"export: plain text at 400":                 refused(export, 400, `Bad Request`, ""),
		"export: no such code":                      refused(export, 400, sampleMigrationInvalid, "INVALID_INPUT"),
		"export: no such code at 200":               refused(export, 200, sampleMigrationInvalid, "INVALID_INPUT"),
		"export: refused by another code at 200":    {call: export, status: 200, reply: `{"errorMessage":"locked by a user","statusCode":"EXPORT_LOCKED","status":"FAILED"}`, code: "EXPORT_LOCKED", temporary: final},
		"export: internal error at 200":             unknown(export, 200, sampleMigrationInternal, "INTERNAL_ERROR"),
		"export: internal error":                    unknown(export, 500, sampleMigrationInternal, "INTERNAL_ERROR"),
		"export: success at 500":                    unknown(export, 500, sampleMigrationTriggered, "TRIGGERED_SUCCESS"),
		"export: empty object":                      unknown(export, 200, `{}`, ""),
		"status: in progress arrives as 400":        ok(exportS, 400, sampleExportInProgress, Migration{State: MigrationInProgress, StatusCode: "EXPORT_INPROGRESS", Status: "INPROGRESS", Message: "Export in progress"}),
		"status: triggered is not done":             ok(importS, 200, sampleMigrationTriggered, Migration{State: MigrationTriggered, StatusCode: "TRIGGERED_SUCCESS", Status: "SUCCESS", Message: "Object Migration Triggered"}),
		"status: failed":                            ok(exportS, 200, `{"errorMessage":"disk full","statusCode":"EXPORT_FAILED","status":"FAILED"}`, Migration{State: MigrationFailed, StatusCode: "EXPORT_FAILED", Status: "FAILED", Message: "disk full"}),
		"status: failed arrives as 400":             ok(exportS, 400, `{"statusCode":"EXPORT_FAILED","status":"FAILED"}`, Migration{State: MigrationFailed, StatusCode: "EXPORT_FAILED", Status: "FAILED"}),
		"status: already complete":                  ok(exportS, 400, sampleExportComplete, Migration{State: MigrationDone, AlreadyComplete: true, StatusCode: "EXPORT_ALREADY_COMPLETE", Status: "FAILED", Message: "Export already completed"}),
		"status: no such code":                      refused(exportS, 400, sampleMigrationInvalid, "INVALID_INPUT"),
		"status: internal error":                    unknown(importS, 500, sampleMigrationInternal, "INTERNAL_ERROR"),
		"status: success without its code":          unknown(importS, 200, `{"status":"SUCCESS"}`, ""),
		"status: success at 503":                    unknown(importS, 503, sampleMigrationStatus, "SUCCESS"),
		"status: word unknown":                      unknown(importS, 200, `{"status":"QUEUED","statusCode":"QUEUED"}`, "QUEUED"),

		// Chapters 8 and 9
		"report: id as a number":                 ok(report, 200, `{"status":"PENDING","requestInstanceId":100}`, ReportInstance{ID: "100", State: ReportPending, Status: "PENDING"}),
		"report: no id":                          unknown(report, 200, `{"status":"PENDING"}`, ""),
		"report: failed at once, no id":          {call: report, status: 200, reply: `{"status":"FAILED","errorMessage":"The report code does not exist."}`, temporary: final},
		"report: failed at once at 500":          unknown(report, 500, `{"status":"FAILED"}`, ""),
		"report: id null":                        unknown(report, 200, `{"status":"PENDING","requestInstanceId":null}`, ""),
		"report: id without status":              ok(report, 200, `{"requestInstanceId":"100"}`, ReportInstance{ID: "100", State: ReportUnknown}),
		"report status: of another instance":     unknown(reportS, 200, `{"requestInstanceId":"99","downloadLink":"https://h/p/x","status":"COMPLETE"}`, ""),
		"report status: of another report":       unknown(reportS, 200, `{"reportInstanceId":99,"downloadLink":"https://h/p/x","status":"COMPLETE"}`, ""),
		"report status: of two instances":        unknown(reportS, 200, `{"requestInstanceId":"100","reportInstanceId":"99","downloadLink":"https://h/p/x","status":"COMPLETE"}`, ""),
		"report status: FAIL of another":         unknown(reportS, 200, `{"reportInstanceId":"99","status":"FAIL"}`, ""),
		"report status: RUNNING of another":      unknown(reportS, 200, `{"requestInstanceId":"99","status":"RUNNING"}`, ""),
		"report status: FAIL, with its reason":   ok(reportS, 200, `{"status":"FAIL","reportInstanceId":"100","message":"ORA-00942: table or view does not exist"}`, ReportInstance{ID: "100", State: ReportFailed, Status: "FAIL", Message: "ORA-00942: table or view does not exist"}),
		"report: 500 with an id":                 unknown(report, 500, sampleReportPending, ""),
		"report: 403":                            refused(report, 403, `{"message":"not allowed"}`, ""),
		"report status: COMPLETED, downloadlink": ok(reportS, 200, `{"requestInstanceid":100,"downloadlink":"https://h/p/x","status":"COMPLETED"}`, ReportInstance{ID: "100", State: ReportCompleted, Status: "COMPLETED", Download: par(t, "https://h/p/x")}),
		"report status: sample 161":              ok(reportS161, 200, `{"requestInstanceId": "161", "status": "PENDING"}`, ReportInstance{ID: "161", State: ReportPending, Status: "PENDING"}),
		"report status: FAIL":                    ok(reportS, 200, sampleReportFail, ReportInstance{ID: "100", State: ReportFailed, Status: "FAIL"}),
		"report status: FAILED at 500":           ok(reportS, 500, `{"status":"FAILED","requestInstanceId":"100"}`, ReportInstance{ID: "100", State: ReportFailed, Status: "FAILED"}),
		"report status: unknown word":            ok(reportS, 200, `{"status":"ARCHIVED","reportInstanceId":"100"}`, ReportInstance{ID: "100", State: ReportUnknown, Status: "ARCHIVED"}),
		"report status: no id":                   ok(reportS, 200, `{"status":"RUNNING"}`, ReportInstance{ID: "100", State: ReportRunning, Status: "RUNNING"}),
		"report status: COMPLETE without link":   unknown(reportS, 200, `{"status":"COMPLETE","reportInstanceId":"100"}`, ""),
		"report status: COMPLETE, link null":     unknown(reportS, 200, `{"status":"COMPLETE","reportInstanceId":"100","downloadLink":null}`, ""),
		"report status: COMPLETE, link http":     unknown(reportS, 200, `{"status":"COMPLETE","reportInstanceId":"100","downloadLink":"http://h/p/x"}`, ""),
		"report status: COMPLETE at 500":         unknown(reportS, 500, sampleReportComplete, ""),
		"report status: empty object":            unknown(reportS, 200, `{}`, ""),
		// An excerpt, without braces: no service would send it, and it is not guessed at.
		"report status: sample 183": unknown(reportS, 200, "\"requestInstanceId\": \"183\",\n\"downloadLink\": \"<URL>\",\n\"status\": \"COMPLETE\"", ""),

		// Chapter 10
		"trigger: success without run id":          unknown(trigger, 200, `{"statusCode":"0","status":"success"}`, "0"),
		"trigger: run id null":                     unknown(trigger, 200, `{"statusCode":"0","batchRunId":"null"}`, "0"),
		"trigger: run id of another shape":         unknown(trigger, 200, `{"statusCode":"0","batchRunId":{}}`, "0"),
		"trigger: run id without code":             unknown(trigger, 200, `{"status":"success","batchRunId":"B1"}`, ""),
		"trigger: success at 500":                  unknown(trigger, 500, sampleTrigger, "0"),
		"trigger: success at 400":                  {call: trigger, status: 400, reply: sampleTrigger, code: "0"},
		"trigger: broken off at 400":               unknown(trigger, 400, sampleTrigger[:40], ""),
		"trigger: refusal that names a run":        {call: trigger, status: 200, reply: `{"statusCode":"-4","batchRunId":"B1"}`, code: "-4"},
		"trigger: 400 that names a run":            {call: trigger, status: 400, reply: `{"batchRunId":"B1"}`},
		"trigger: failure at 200":                  unknown(trigger, 200, sampleCode(CodeFailure), "-1"),
		"trigger: unknown code":                    unknown(trigger, 200, sampleCode("42"), "42"),
		"trigger: empty response":                  unknown(trigger, 200, ``, ""),
		"trigger: empty object":                    unknown(trigger, 200, `{}`, ""),
		"trigger: null":                            unknown(trigger, 200, `null`, ""),
		"trigger: array":                           unknown(trigger, 200, `[]`, ""),
		"trigger: page with 200":                   unknown(trigger, 200, page, ""),
		"trigger: page with 502":                   unknown(trigger, 502, page, ""),
		"trigger: JSON labelled as a page":         {call: trigger, status: 201, reply: `{"statusCode":"0","batchRunId":"B1"}`, labelled: "text/html;charset=UTF-8", want: Run{ID: "B1"}},
		"trigger: page without a bracket":          {call: trigger, status: 404, reply: "No healthy upstream", labelled: "text/html", notProcessed: true, temporary: temporary},
		"trigger: JSON cut off":                    unknown(trigger, 200, sampleTrigger[:120], ""),
		"trigger: two responses in one":            unknown(trigger, 200, sampleTrigger+sampleTrigger, ""),
		"trigger: 500":                             unknown(trigger, 500, `{"message":"x"}`, ""),
		"trigger: 503":                             {call: trigger, status: 503, reply: `{}`, header: []string{"Retry-After", "7"}, temporary: temporary},
		"trigger: 408":                             unknown(trigger, 408, `{}`, ""),
		"trigger: 429":                             {call: trigger, status: 429, reply: `{}`, header: []string{"Retry-After", "7"}, notProcessed: true, temporary: temporary},
		"trigger: 409 is a conflict":               refused(trigger, 409, `{"details":"already running"}`, ""),
		"trigger: 403":                             refused(trigger, 403, ``, ""),
		"trigger: 404 page may pass":               {call: trigger, status: 404, reply: page, notProcessed: true, temporary: temporary},
		"trigger: 403 page may hide a success":     unknown(trigger, 403, page, ""),
		"trigger: 409 page may hide a success":     unknown(trigger, 409, page, ""),
		"restart: 400 page may hide a success":     unknown(restart, 400, page, ""),
		"run status: 403 page may pass":            {call: status, status: 403, reply: page, notProcessed: true, temporary: temporary},
		"trigger: trailing comma, newline":         ok(trigger, 200, "{\"statusCode\":\"0\",\"batchRunId\":\"B1\",\"details\":\"a\nb\t\",}", Run{ID: "B1", Details: "a b"}),
		"trigger: unknown fields":                  ok(trigger, 201, `{"statusCode":"0","batchRunId":"B1","x":{"y":[1,2,{"z":null}]},"details":["a"],"severity":3}`, Run{ID: "B1"}),
		"trigger: code is a number":                refused(trigger, 200, `{"statusCode":-6}`, "-6"),
		"rerun: refusal names the same run":        refused(rerun, 200, fmt.Sprintf(`{"statusCode":"-3","batchRunId":%q}`, runID), "-3"),
		"rerun: a new run id is adopted":           ok(rerun, 200, `{"statusCode":"0","batchRunId":"B2001_new"}`, Run{ID: "B2001_new"}),
		"rerun: success without run id":            unknown(rerun, 200, `{"statusCode":"0"}`, "0"),
		"restart: the same run id is adopted":      ok(restart, 200, fmt.Sprintf(`{"statusCode":"0","batchRunId":%q}`, runID), Run{ID: runID}),
		"restart: not ongoing":                     refused(restart, 200, sampleCode(CodeNotOngoing), "-8"),
		"restart: already interrupted":             refused(restart, 200, sampleCode(CodeAlreadyInterrupted), "-7"),
		"restart: 502 page":                        unknown(restart, 502, page, ""),
		"interrupt: already interrupted":           ok(interrupt, 200, sampleCode(CodeAlreadyInterrupted), Run{ID: runID, Summary: "refused", AlreadyInterrupted: true}),
		"interrupt: already interrupted at 400":    ok(interrupt, 400, `{"statusCode":-7}`, Run{ID: runID, AlreadyInterrupted: true}),
		"interrupt: not ongoing":                   refused(interrupt, 200, sampleCode(CodeNotOngoing), "-8"),
		"interrupt: not ongoing at 500":            refused(interrupt, 500, sampleCode(CodeNotOngoing), "-8"),
		"interrupt: no run id in the response":     ok(interrupt, 200, `{"statusCode":"0"}`, Run{ID: runID}),
		"interrupt: success at 500":                unknown(interrupt, 500, sampleInterrupt, "0"),
		"run status: outer success proves nothing": unknown(status, 200, `{"statusCode":"0","status":"success","batchStatus":"SUCCESSFUL"}`, "0"),
		"run status: outer failure":                unknown(status, 200, `{"statusCode":"-1","batchStatusCode":"0"}`, "-1"),
		"run status: no outer code":                ok(status, 200, `{"batchStatusCode":1,"taskStatusList":null,"batchList":null}`, RunStatus{RunID: "BatchTEST1_2022-05-31_1653994545003_1", Code: CodeNotStarted}),
		"run status: unknown code":                 ok(status, 200, `{"statusCode":0,"batchStatusCode":9,"batchStatus":"PAUSED"}`, RunStatus{RunID: "BatchTEST1_2022-05-31_1653994545003_1", Code: "9", Text: "PAUSED"}),
		"run status: another run":                  unknown(status, 200, sampleGroupStatus, "0"),
		"run status: at 500":                       unknown(status, 500, sampleBatchStatus, "0"),
		"run status: no such run":                  refused(status, 200, sampleCode(CodeNoObject), "-3"),
		"run status: 404 page may pass":            {call: status, status: 404, reply: page, notProcessed: true, temporary: temporary},
		"run status: list of another shape":        unknown(status, 200, `{"batchStatusCode":"0","taskStatusList":"none"}`, ""),
	}
	// The HTTP status of a refusal is not documented.
	for _, code := range []StatusCode{CodeNoObject, CodeInvalidArguments, CodeInvalidHeaders, CodeNoJob} {
		for _, status := range []int{200, 400, 404, 500, 503} {
			rows[fmt.Sprintf("trigger: code %s at %d", code, status)] = refused(trigger, status, sampleCode(code), string(code))
		}
	}
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			header := tt.header
			if tt.labelled != "" {
				header = append(header, "Content-Type", tt.labelled)
			}
			s.answer = reply(tt.status, tt.reply, header...)
			got, err := tt.call(t.Context(), s.client(t))
			require.Equal(t, 1, s.count("calls"))
			if tt.want != nil {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			e := asError(t, err)
			require.Equal(t, tt.notProcessed, e.NotProcessed, "NotProcessed of %v", err)
			require.Equal(t, tt.temporary, e.Temporary, "Temporary of %v", err)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.status, e.HTTPStatus)
			require.NotEmpty(t, e.Call)
			if len(tt.header) > 0 {
				require.Equal(t, 7*time.Second, e.RetryAfter)
			}
		})
	}
}

func TestTrigger_unknownOutcomeNamesRun(t *testing.T) {
	s := newService(t)
	s.answer = reply(500, sampleTrigger)
	_, err := trigger(t.Context(), s.client(t))
	require.ErrorContains(t, err, "batchRunId B2001_2022-05-20_1653041947296_1")
	require.ErrorContains(t, err, "not known whether the service acted")
}

// Whatever a scan answers is in its error, without secrets and at a bounded length.
func TestScanFile_errorHasTheAnswer(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"status":"FAILED","payload":"Malware found: EICAR in https:\/\/h\/p\/s3cret\/n\/x `+strings.Repeat("x", 9000)+`"}`)
	_, err := scan(t.Context(), s.client(t))
	require.ErrorContains(t, err, "Malware found: EICAR in https://h/[PAR]")
	require.NotContains(t, err.Error(), "s3cret")
	require.Less(t, len(err.Error()), 1500)
}

// Responses about files have a payload, even when they refuse.
func TestError_explanationInPayload(t *testing.T) {
	s := newService(t)
	for _, status := range []int{200, 400} {
		s.answer = reply(status, `{"payload":{"status":"failed","errorCode":"OBJ-7","errorMessage":"The bucket is full."}}`)
		for _, call := range []func(context.Context, *Client) (any, error){upload, byID, scan} {
			_, err := call(t.Context(), s.client(t))
			require.ErrorContains(t, err, `"The bucket is full."`)
			require.ErrorContains(t, err, "code OBJ-7")
		}
	}
}

// A request with problems is not sent, and every problem is named.
func TestClient_invalidRequests(t *testing.T) {
	s := newService(t)
	c := s.client(t)
	for name, tt := range map[string]struct {
		call     func(context.Context, *Client) (any, error)
		problems []string
	}{
		"upload": {func(ctx context.Context, c *Client) (any, error) {
			return c.CreateUploadPAR(ctx, UploadRequest{FileName: "-x y", FileSize: 1, MimeType: "image/png", Prefix: "a\n"})
		}, []string{`file name "-x y"`, "file size 1", `mime type "image/png"`, "prefix must not contain control"}},
		"upload, too large": {func(ctx context.Context, c *Client) (any, error) {
			return c.CreateUploadPAR(ctx, UploadRequest{FileName: strings.Repeat("a", 256), FileSize: 10_000_000_000_000})
		}, []string{"at most 255 characters", "at most 9999999999999 bytes"}},
		"delete":            {func(ctx context.Context, c *Client) (any, error) { return c.DeleteFile(ctx, "") }, []string{"file id is missing"}},
		"delete everything": {func(ctx context.Context, c *Client) (any, error) { return c.DeleteFilesByPrefix(ctx, "") }, []string{"prefix is missing"}},
		"delete folders":    {func(ctx context.Context, c *Client) (any, error) { return c.DeleteFilesByPrefix(ctx, "a/b") }, []string{`prefix "a/b" cannot be part of a path`}},
		"delete nothing":    {func(ctx context.Context, c *Client) (any, error) { return c.DeleteFilesByName(ctx, nil) }, []string{"there are no file names"}},
		"delete odd names": {func(ctx context.Context, c *Client) (any, error) { return c.DeleteFilesByName(ctx, []string{"a b"}) },
			[]string{`"a b" is not the name of a file`}},
		"as-of date": {func(ctx context.Context, c *Client) (any, error) {
			return nil, c.SetAsOfDate(ctx, Preference{}, "31.12.2026")
		},
			[]string{"application is missing", `"31.12.2026" is not a date`}},
		"copy": {func(ctx context.Context, c *Client) (any, error) { return c.CopyExport(ctx, "", "a b") },
			[]string{"code of the source is missing", `the new code "a b" must be 3 to 30`}},
		"manifest": {func(ctx context.Context, c *Client) (any, error) {
			return c.ExportManifest(ctx, ManifestRequest{AsOfDate: "x"})
		}, []string{"code of the export is missing", "run id is missing", `"x" is not a date`}},
		"parameters of tasks":            {taskParams, []string{"set task_params of the connection to batches"}},
		"parameters of a member's tasks": {memberTaskParams, []string{"set task_params of the connection to members"}},
		"a group that gets no date":      {datedGroup, []string{"list its batches, or set group_date of the connection"}},
		"a task with a comma": {func(ctx context.Context, c *Client) (any, error) {
			return c.Trigger(ctx, TriggerRequest{Code: "B", Type: Batch, HeldTasks: []string{"a,b"}})
		}, []string{`code "a,b" contains a comma`}},
		"list": {func(ctx context.Context, c *Client) (any, error) { return c.ListFiles(ctx, "a\x00") }, []string{"stripe must not contain control"}},
		"download": {func(ctx context.Context, c *Client) (any, error) {
			return c.CreateDownloadPARByName(ctx, DownloadRequest{Prefix: " "})
		}, []string{"file name is missing", "prefix must not start"}},
		"download by id": {func(ctx context.Context, c *Client) (any, error) { return c.CreateDownloadPARByID(ctx, "../9916") }, []string{`file id "../9916" cannot be part of a path`}},
		"scan":           {func(ctx context.Context, c *Client) (any, error) { return c.ScanFile(ctx, "") }, []string{"file id is missing"}},
		"export":         {func(ctx context.Context, c *Client) (any, error) { return c.ExportMigration(ctx, "a/b") }, []string{`migration code "a/b" cannot be part of a path`}},
		"import status":  {func(ctx context.Context, c *Client) (any, error) { return c.ImportStatus(ctx, "..") }, []string{`migration code ".." cannot be part of a path`}},
		"report": {func(ctx context.Context, c *Client) (any, error) {
			return c.GenerateReport(ctx, ReportRequest{ReportDefType: "\n"})
		}, []string{"report code is missing", "report type is missing", "report definition type must not"}},
		"report status": {func(ctx context.Context, c *Client) (any, error) { return c.ReportStatus(ctx, "", "") }, []string{"report code is missing", "report instance id is missing"}},
		"trigger of a batch": {func(ctx context.Context, c *Client) (any, error) {
			return c.Trigger(ctx, TriggerRequest{Type: Batch, Params: map[string]string{"$FICMISDATE$": "31-10-2026", "": "x"}, Batches: []BatchParams{{}}, HeldTasks: []string{""}})
		}, []string{"code is missing", "a batch has parameters of its own", `"31-10-2026" is not a date`, "parameter is missing", "name of batch 1 is missing", "held tasks: code 1 is missing"}},
		"trigger of a group": {func(ctx context.Context, c *Client) (any, error) {
			return c.Trigger(ctx, TriggerRequest{Code: "G", Type: BatchGroup, Params: map[string]string{"a": "b"}, Batches: []BatchParams{{BatchName: "B"}, {BatchName: "B", Params: map[string]string{"$FICMISDATE$": "today"}}}})
		}, []string{"a batch group has the parameters of its batches", "batch B is named twice", `parameter of batch B $FICMISDATE$ "today"`}},
		"trigger of nothing": {func(ctx context.Context, c *Client) (any, error) { return c.Trigger(ctx, TriggerRequest{Code: "B"}) }, []string{`type "" is neither`}},
		"status": {func(ctx context.Context, c *Client) (any, error) {
			return c.Status(ctx, "", "\n")
		}, []string{"run id is missing", "tasks: code 1 must not contain control"}},
		"rerun": {func(ctx context.Context, c *Client) (any, error) { return c.Rerun(ctx, "", "") }, []string{"code is missing", "run id is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.call(t.Context(), c)
			e := asError(t, err)
			require.True(t, e.NotProcessed)
			require.False(t, e.Temporary)
			for _, problem := range tt.problems {
				require.ErrorContains(t, err, problem)
			}
		})
	}
	require.Zero(t, s.count("calls")+s.count("logins"))
}

func TestGenerateReport_needsAppID(t *testing.T) {
	s := newService(t)
	_, err := report(t.Context(), s.client(t, func(c *Config) { c.AppID = "" }))
	require.ErrorContains(t, err, "app id of the connection is missing")
}

func TestMimeTypeFor(t *testing.T) {
	for name, want := range map[string]string{"a.csv": "Text/CSV", "a.CSV": "Text/CSV", "a.txt": "Text/plain", "a.dat": "DAT", "a.x.DAT": "DAT", "a": "Text/plain", "a.xml": "Text/plain"} {
		require.Equal(t, want, MimeTypeFor(name), name)
	}
}

// Table 10-1, row by row.
func TestStatusCode(t *testing.T) {
	for _, tt := range []struct {
		code              StatusCode
		text              string
		terminal, refusal bool
	}{
		{"0", "Success", true, false},
		{"-1", "Failure", true, false},
		{"-2", "Interrupted", true, false},
		{"1", "Not Started", false, false},
		{"2", "Ongoing", false, false},
		{"3", "Aborted", true, false},
		{"4", "Excluded", false, false},
		{"5", "Held", false, false},
		{"-3", "Object does not exist", false, true},
		{"-4", "Invalid arguments passed in request/not enough params in Request body", false, true},
		{"-5", "Invalid request headers/request headers missing", false, true},
		{"-6", "No executable job is present", false, true},
		{"-7", "Job is already interrupted", false, true},
		{"-8", "Job is not ongoing/aborted", false, true},
		{"9", "", false, false},
		{"", "", false, false},
	} {
		require.Equal(t, tt.text, tt.code.Text(), tt.code)
		require.Equal(t, tt.terminal, tt.code.Terminal(), tt.code)
		require.Equal(t, tt.refusal, tt.code.Refusal(), tt.code)
	}
	require.Len(t, statusTexts, 14)
	require.Equal(t, "conflict with the present state", HTTPStatusText(http.StatusConflict))
	require.Equal(t, "I'm a teapot", HTTPStatusText(http.StatusTeapot))
}

func TestPAR_showsOnlyHost(t *testing.T) {
	const raw, shown = "https://objects.example.com:8443/p/SECRET/n/ns/b/bucket/o/x?SECRET=1", "https://objects.example.com:8443/[PAR]"
	p := par(t, raw)
	require.Equal(t, raw, p.Expose())
	type nested struct {
		Public PAR
		hidden PAR
	}
	both := nested{p, p}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		require.NotContains(t, fmt.Sprintf(verb, p), "SECRET", verb)
		require.NotContains(t, fmt.Sprintf(verb, &p), "SECRET", verb)
		require.NotContains(t, fmt.Sprintf(verb, both), "SECRET", verb)
		require.NotContains(t, fmt.Sprintf(verb, []PAR{p}), "SECRET", verb)
	}
	require.Equal(t, shown, p.String())
	require.Equal(t, shown, p.LogValue().String())
	encoded, err := json.Marshal(map[string]any{"par": p, "nested": both})
	require.NoError(t, err)
	require.JSONEq(t, `{"par":"`+shown+`","nested":{"Public":"`+shown+`"}}`, string(encoded))
	require.Empty(t, PAR{}.String()+PAR{}.Expose())
	_ = both.hidden

	for _, bad := range []string{"", " ", "http://h/p/SECRET", "https:///p/SECRET", "h/p/SECRET", "https://user:SECRET@h/p", "https://h/%zzSECRET", "ftp://h/SECRET"} {
		_, err := NewPAR(bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

func TestMend(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1}`:                    `{"a":1}`,
		"{\"batchRunId\": \"x\",\n}": `{"batchRunId":"x"}`,
		"{\"a\":\"x\ny\tz\"}":        `{"a":"x\ny\tz"}`,
		`{"a":[1,2,],"b":",}",}`:     `{"a":[1,2],"b":",}"}`,
		"{\"a\":\"\\\"\n,}\",}":      `{"a":"\"\n,}"}`,
	} {
		require.JSONEq(t, want, string(mend([]byte(body))), body)
	}
	for _, bad := range []string{`{"a":1`, `{"a":"x`, `{"filterCriteria": "" "placeholderFilter": ""}`, `{"a":,}`, `{}{}`, `x`} {
		require.Nil(t, mend([]byte(bad)), bad)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		" a\r\n\tb \x00c\x1b[31m ": "a b c [31m", "a\u202eb\u2028c": "a b c", "\xff": "\ufffd", strings.Repeat("é", 20): strings.Repeat("é", 8) + "...",
	} {
		require.Equal(t, want, oneLine(in, 20))
	}
}

// No documented call deletes a file: the list of a tenant that uploads folders grows for years.
func TestListFiles_long(t *testing.T) {
	const files = 100_000
	entries := make([]string, files)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"v_file_name":"general_ledger_%06d.csv","n_file_id":%d,"d_upload_date":"31-JAN-23 06:33:43 AM","v_stripe_name":"default"}`, i, i)
	}
	s := newService(t)
	s.answer = reply(200, `{"payload":[`+strings.Join(entries, ",")+`],"count":2}`)
	got, err := s.client(t).ListFiles(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, got, files)
	require.Equal(t, "99999", got[files-1].ID)
}

// What is to be checked depends on what was asked.
func TestAdvice_invalidInput(t *testing.T) {
	for want, call := range map[string]func(context.Context, *Client) (any, error){
		"check the migration's code": exportS, "check the report's code, type and filters": report, "generate it again": reportS,
	} {
		for _, body := range []string{sampleMigrationInvalid, `{"status":"FAILED","errorMessage":"It does not exist."}`} {
			s := newService(t)
			s.answer = reply(400, body)
			_, err := call(t.Context(), s.client(t))
			require.ErrorContains(t, err, want)
			if want != "check the migration's code" {
				require.NotContains(t, err.Error(), "migration")
			}
		}
	}
}

// A refusal that can mean that the tenant expects another form names the settings for it, of what was sent.
func TestAdvice_settings(t *testing.T) {
	statusOfTasks := func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx, runID, "t1") }
	const none = ""
	for name, tt := range map[string]struct {
		call   func(context.Context, *Client) (any, error)
		status int
		reply  string
		want   string
	}{
		"report status":          {reportS, 400, `{"status":"FAILED","errorMessage":"The report instance does not exist."}`, "generate it again; if the tenant expects the request in another form, set report_headers or report_status_body of the connection"},
		"report status, page":    {reportS, 400, `<html>`, "set report_headers or report_status_body of"},
		"report status, no user": {reportS, 403, `{}`, none},
		"upload":                 {upload, 400, `{"errorMessage":"expected an array"}`, "set upload_body of"},
		"trigger":                {trigger, 200, `{"statusCode":"-4","details":"Invalid dynamicParamList"}`, "check the parameters and task codes; if the tenant expects the request in another form, set dynamic_params of"},
		"trigger, tasks":         {bare, 400, `{"details":"expected an array"}`, "set task_lists of"},
		"trigger, no such batch": {trigger, 200, sampleCode(CodeNoObject), none},
		"trigger, unknown":       {trigger, 500, `{}`, none},
		"trigger of a group":     {datedGroup, 200, sampleCode(CodeInvalidArguments), "set group_date of"},
		"status of a task":       {statusOfTasks, 200, sampleCode(CodeInvalidArguments), "set status_tasks of"},
		"status":                 {status, 200, sampleCode(CodeInvalidArguments), none},
		"export":                 {export, 400, `{"statusCode":"INVALID_INPUT","errorMessage":"ofs_service_id is missing","status":"FAILED"}`, "set service_id_on_export of"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = reply(tt.status, tt.reply)
			_, err := tt.call(t.Context(), s.client(t, func(c *Config) { c.GroupDate = true }))
			if tt.want == none {
				require.NotContains(t, err.Error(), "another form")
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// The document has two spellings of the path of the status, and a server may know only one of them.
func TestMigrationStatus_otherSpelling(t *testing.T) {
	done := Migration{State: MigrationDone, StatusCode: "SUCCESS", Status: "SUCCESS", Message: "Status fetched Successfully"}
	notFound := reply(404, `{"status":404,"error":"Not Found"}`)
	for name, tt := range map[string]struct {
		call  func(context.Context, *Client) (any, error)
		paths [2]string // of the settings
		known string
		other http.HandlerFunc // the answer to any other path
		calls int
	}{
		"chapter 6":             {call: exportS, known: "/Public/status/export/M1", calls: 2},
		"chapter 6, a page":     {call: exportS, known: "/Public/status/export/M1", other: reply(404, `<html>no</html>`), calls: 2},
		"chapter 7":             {call: importS, known: "/public/status/import/M1", calls: 1},
		"set, but not known":    {call: importS, paths: [2]string{"/Public/status", "/Public/status"}, known: "/public/status/import/M1", calls: 2},
		"neither":               {call: exportS, calls: 2},
		"a path of another":     {call: exportS, paths: [2]string{"/x/status", "/x/status"}, known: "/public/status/export/M1", calls: 1},
		"the code is not known": {call: exportS, other: reply(404, sampleMigrationInvalid), known: "/Public/status/export/M1", calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = func(w http.ResponseWriter, r *http.Request) {
				switch {
				case tt.known != "" && strings.HasSuffix(r.URL.Path, tt.known):
					reply(200, sampleMigrationStatus)(w, r)
				case tt.other != nil:
					tt.other(w, r)
				default:
					notFound(w, r)
				}
			}
			c := s.client(t, func(c *Config) {
				if tt.paths[0] != "" {
					c.ExportStatusPath, c.ImportStatusPath = tt.paths[0], tt.paths[1]
				}
			})
			got, err := tt.call(t.Context(), c)
			require.Equal(t, tt.calls, s.count("calls"))
			if found := tt.known != "" && strings.HasSuffix(s.calls[tt.calls-1].uri, tt.known); found {
				require.NoError(t, err)
				require.Equal(t, done, got)
				return
			}
			require.ErrorContains(t, err, "HTTP 404")
		})
	}
}

// The document has two spellings of the path of the status.
func TestExportStatus_adviceForWrongPath(t *testing.T) {
	s := newService(t)
	s.answer = reply(404, `{"error":"Not Found"}`)
	c := s.client(t)
	for want, call := range map[string]func(context.Context, *Client) (any, error){"export": exportS, "import": importS} {
		_, err := call(t.Context(), c)
		require.ErrorContains(t, err, "check "+want+"_status_path")
	}
	_, err := export(t.Context(), c)
	require.ErrorContains(t, err, "check base_url and the name or id")
}
