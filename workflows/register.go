package workflows

import "go.temporal.io/sdk/worker"

// Register registers the workflows of this package and NexusService with a worker.
func Register(r worker.Registry) error {
	for _, t := range WorkflowTypes() {
		r.RegisterWorkflow(t.function)
	}
	service, err := NewNexusService()
	if err != nil {
		return err
	}
	r.RegisterNexusService(service)
	return nil
}
