package workflows

import (
	"bytes"
	"encoding/json"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// An input with a misspelt field must not run without it. JSON that does not fit an input is kept as a problem
// that Validate returns: an error here would end the workflow, or lose the signal, before it can say why.

// plainCommand is a Command without its methods.
type plainCommand Command

// UnmarshalJSON keeps what does not fit for Validate.
func (c *Command) UnmarshalJSON(text []byte) error {
	*c = Command{}
	c.malformed = decodeStrictly(text, (*plainCommand)(c))
	return nil
}

// UnmarshalJSON reads what would otherwise be read as the embedded Command alone.
func (c *NexusCommand) UnmarshalJSON(text []byte) error {
	var in struct {
		WorkflowID string `json:"workflow_id"`
		Signal     string `json:"signal"`
		plainCommand
	}
	malformed := decodeStrictly(text, &in)
	*c = NexusCommand{WorkflowID: in.WorkflowID, Signal: in.Signal, Command: Command(in.plainCommand)}
	c.malformed = malformed
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *NightlyCloseInput) UnmarshalJSON(text []byte) error {
	type plain NightlyCloseInput
	*in = NightlyCloseInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *RunBatchInput) UnmarshalJSON(text []byte) error {
	type plain RunBatchInput
	*in = RunBatchInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *GenerateReportInput) UnmarshalJSON(text []byte) error {
	type plain GenerateReportInput
	*in = GenerateReportInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *UploadFileInput) UnmarshalJSON(text []byte) error {
	type plain UploadFileInput
	*in = UploadFileInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *DownloadFileInput) UnmarshalJSON(text []byte) error {
	type plain DownloadFileInput
	*in = DownloadFileInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *MigrateInput) UnmarshalJSON(text []byte) error {
	type plain MigrateInput
	*in = MigrateInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *DeleteFilesInput) UnmarshalJSON(text []byte) error {
	type plain DeleteFilesInput
	*in = DeleteFilesInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *SetAsOfDateInput) UnmarshalJSON(text []byte) error {
	type plain SetAsOfDateInput
	*in = SetAsOfDateInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *ExportDataInput) UnmarshalJSON(text []byte) error {
	type plain ExportDataInput
	*in = ExportDataInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// UnmarshalJSON keeps what does not fit for Validate.
func (in *ScheduledCloseInput) UnmarshalJSON(text []byte) error {
	type plain ScheduledCloseInput
	*in = ScheduledCloseInput{}
	in.malformed = decodeStrictly(text, (*plain)(in))
	return nil
}

// decodeStrictly refuses fields that the type does not have.
func decodeStrictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return problem.JSON(decoder.Decode(into))
}
