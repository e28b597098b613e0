package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// Expect says what a file must hold. Whatever is not given is not checked.
type Expect struct {
	// Manifest is the "store/path" of a JSON file in which the sender promises figures:
	// {"file", "bytes", "rows", "sha256", "totals"}.
	Manifest string `json:"manifest,omitempty"`
	Bytes    *int64 `json:"bytes,omitempty"`
	// Rows are the records below the header of a CSV file; of other files, the lines.
	Rows    *int64 `json:"rows,omitempty"`
	MinRows *int64 `json:"min_rows,omitempty"`
	MaxRows *int64 `json:"max_rows,omitempty"`
	// SHA256 is written as 64 hex digits.
	SHA256 string `json:"sha256,omitempty"`
	// Totals are the sums of columns, by the names in the header, as exact decimals.
	Totals map[string]string `json:"totals,omitempty"`
	// Delimiter stands between the columns. Default: a comma.
	Delimiter string `json:"delimiter,omitempty"`
}

// expected gives what a pipeline says the form of an input.
func expected(e *verify.Expect) *Expect { return (*Expect)(e) }

// verify checks a file, if anything is expected of it, and notes its figures in the result.
func (r *simpleRun) verify(ctx workflow.Context, expect *Expect, result *FileResult) error {
	if expect == nil {
		return nil
	}
	var found verify.Figures
	err := r.do(ctx, transferOptions, "check what "+result.File+" holds", act.VerifyFile,
		activities.VerifyFileInput{File: result.File, Expect: verify.Expect(*expect)}, &found)
	if err != nil {
		return err
	}
	if result.SHA256 != "" && result.SHA256 != found.SHA256 {
		return failure(VerificationFailed, fmt.Sprintf("%s changed while it was checked: SHA-256 %s when it arrived, %s now", result.File, result.SHA256, found.SHA256))
	}
	result.Bytes, result.Rows, result.SHA256, result.Totals, result.Verified = found.Bytes, found.Rows, found.SHA256, found.Totals, true
	return nil
}

// sentAsVerified proves that the bytes that went up are those that were checked.
func sentAsVerified(result FileResult, sent activities.TransferResult) error {
	if result.Verified && result.SHA256 != sent.SHA256 {
		return failure(VerificationFailed, fmt.Sprintf("%s changed between the check and the upload: SHA-256 %s when it was checked, %s when it was sent; retry once it is complete",
			result.File, result.SHA256, sent.SHA256))
	}
	return nil
}

// stableFor is how long the file must not have changed.
func (in UploadFileInput) stableFor() (time.Duration, error) {
	if in.StableFor == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(in.StableFor)
	if err == nil && d < 0 {
		err = fmt.Errorf("less than zero")
	}
	return d, err
}
