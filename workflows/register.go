package workflows

import "go.temporal.io/sdk/worker"

// Register makes a worker carry out the workflows of this package.
func Register(r worker.WorkflowRegistry) {
	for _, w := range []any{NightlyClose, RunBatch, GenerateReport, UploadFile, DownloadFile, Migrate} {
		r.RegisterWorkflow(w)
	}
}
