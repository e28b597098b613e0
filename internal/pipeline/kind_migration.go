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
//
// The service runs a definition only once. A copy of one that was run with success runs again, under a code of its own:
//
//	import: {code: "MIG_{{.AsOfDate}}", copy_of: MIG001, overwrite: true}
type Migration struct {
	// Code is the migration definition's code.
	Code string `json:"code" jsonschema:"format=code"`
	// CopyOf is the code of a definition that is copied as Code first, unless that was done before. It must have been run
	// with success. The code of a copy has 3 to 30 letters, digits, hyphens and underscores.
	CopyOf string `json:"copy_of,omitempty" jsonschema:"format=code"`
	// Overwrite says that the import of a copy may replace what exists.
	Overwrite bool `json:"overwrite,omitempty"`
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
	c.optionalCode("copy_of", m.CopyOf)
	c.want(m.CopyOf == "" || copiedPattern.MatchString(m.Code), "code",
		"%q cannot be the code of a copy: 3 to 30 letters, digits, hyphens and underscores", m.Code)
	c.want(!m.Overwrite || m.CopyOf != "", "overwrite", "is for a copy")
	c.optionalCode("service_id", m.ServiceID)
}
