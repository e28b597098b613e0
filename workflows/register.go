package workflows

import "go.temporal.io/sdk/worker"

// Register makes a worker carry out the workflows of this package, and offer NexusService.
func Register(r worker.Registry) error {
	for _, w := range []any{NightlyClose, RunBatch, GenerateReport, UploadFile, DownloadFile, Migrate, ScheduledClose} {
		r.RegisterWorkflow(w)
	}
	service, err := NewNexusService()
	if err != nil {
		return err
	}
	r.RegisterNexusService(service)
	return nil
}
