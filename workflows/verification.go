package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// Expect says what a file must hold. A field that is not set is not checked.
type Expect struct {
	// Manifest is the "store/path" of a JSON file with the figures that the sender promises:
	// {"file", "bytes", "rows", "sha256", "totals"}.
	Manifest string `json:"manifest,omitempty"`
	Bytes    *int64 `json:"bytes,omitempty"`
	// Rows are the records below the header of a CSV file; of other files, the lines.
	Rows    *int64 `json:"rows,omitempty"`
	MinRows *int64 `json:"min_rows,omitempty"`
	MaxRows *int64 `json:"max_rows,omitempty"`
	// SHA256 has 64 hexadecimal digits.
	SHA256 string `json:"sha256,omitempty"`
	// Totals are the sums of columns, by the names in the header, as exact decimals.
	Totals map[string]string `json:"totals,omitempty"`
	// Delimiter separates the columns. Default: a comma.
	Delimiter string `json:"delimiter,omitempty"`
}

// expected converts the expectations of a pipeline to those of an input.
func expected(e *verify.Expect) *Expect { return (*Expect)(e) }

// verify checks a file, if anything is expected of it, and adds its figures to the result.
func (r *simpleRun) verify(ctx workflow.Context, expect *Expect, result *FileResult) error {
	if expect == nil {
		return nil
	}
	var found verify.Figures
	err := r.do(ctx, transferOptions, "verify "+result.File, act.VerifyFile,
		activities.VerifyFileInput{File: result.File, Expect: verify.Expect(*expect)}, &found)
	if err != nil {
		return err
	}
	if result.SHA256 != "" && result.SHA256 != found.SHA256 {
		return failure(VerificationFailed, fmt.Sprintf("%s changed after the download: its SHA-256 was %s and is %s now",
			result.File, result.SHA256, found.SHA256))
	}
	result.Bytes, result.Rows, result.SHA256, result.Totals, result.Verified = found.Bytes, found.Rows, found.SHA256, found.Totals, true
	return nil
}

// uploadedAsVerified fails unless the uploaded bytes are those that were verified.
func uploadedAsVerified(result FileResult, uploaded activities.TransferResult) error {
	if result.Verified && result.SHA256 != uploaded.SHA256 {
		return failure(VerificationFailed, fmt.Sprintf("%s changed between the check and the upload: its SHA-256 was %s, then %s; retry once it is complete",
			result.File, result.SHA256, uploaded.SHA256))
	}
	return nil
}

// stableFor parses StableFor.
func (in UploadFileInput) stableFor() (time.Duration, error) {
	if in.StableFor == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(in.StableFor)
	if err == nil && d < 0 {
		err = fmt.Errorf("must not be negative")
	}
	return d, err
}
