package pipeline

// The kinds of [Migration].
const (
	KindExport Kind = "export"
	KindImport Kind = "import"
)

// Migration exports or imports the migration definition with this code.
//
//	export: {code: MIG001, retries: 2, retry_delay: 1m, on_failure: skip, deadline: 2h, service_id: OFS_FTP}
//
// The other way:
//
//	import: {code: MIG001}
type Migration struct {
	// Code is the migration definition's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator. The
	// migration in the service is not interrupted.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// ServiceID is the service that has the definition, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`

	Failing
	Retrying
}

func (m *Migration) traits() Traits {
	return Traits{OnFailure: m.OnFailure, Retries: m.Retries, RetryDelay: m.RetryDelay, Deadline: m.Deadline}
}

func (*Migration) setDefaults(rendering) {}

func (m *Migration) check(c checker) {
	c.code("code", m.Code)
	c.optionalCode("service_id", m.ServiceID)
}
