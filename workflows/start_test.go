package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestSpec_idAndReusePolicy(t *testing.T) {
	const again = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	batch := RunBatchInput{Connection: "prod", Code: "GRP", AsOfDate: "2026-10-31", Key: "second"}
	for _, test := range []struct {
		input        Input
		workflowType string
		id           string // pattern
		reuse        enumspb.WorkflowIdReusePolicy
	}{
		{NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}, NightlyCloseType, `close/prod/nightly/2026-10-31`, closeReusePolicy},
		{batch, RunBatchType, `batch/prod/GRP/2026-10-31/second`, again},
		{GenerateReportInput{Connection: "prod", Code: "RPT001"}, GenerateReportType, `report/prod/RPT001/\d{8}T\d{6}Z-[0-9a-f]{4}`, 0},
		{UploadFileInput{Connection: "prod", File: "inbox/sub/gl.csv"}, UploadFileType, `upload/prod/gl.csv/\d{8}T\d{6}Z-[0-9a-f]{4}`, 0},
		{UploadFileInput{Connection: "prod", File: "inbox/gl (1) $x;y.csv"}, UploadFileType, `upload/prod/gl_1_x_y.csv/\d{8}T\d{6}Z-[0-9a-f]{4}`, 0},
		{DownloadFileInput{Connection: "prod", FileID: "5025"}, DownloadFileType, `download/prod/5025/\d{8}T\d{6}Z-[0-9a-f]{4}`, 0},
		{MigrateInput{Connection: "prod", Direction: Export, Code: "MIG"}, MigrateType, `migrate/prod/export/MIG`, again},
		{MigrateInput{Connection: "prod", Direction: Import, Code: "MIG"}, MigrateType, `migrate/prod/import/MIG`, again},
	} {
		spec := test.input.spec()
		require.Equal(t, test.workflowType, spec.workflowType)
		require.Regexp(t, "^"+test.id+"$", spec.id)
		require.Equal(t, test.reuse, spec.reuse, spec.id)
		require.Equal(t, "prod", ConnectionOf(test.input))
	}
}
