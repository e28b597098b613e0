package pipeline

import (
	"cmp"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// KindDownload is the kind of [Download].
const KindDownload Kind = "download"

// Download saves a file that is in the service: exactly one of File, FileID and Object says which.
//
//	download:
//	  file: gl_copy.csv
//	  save_to: "reports/{{.AsOfDate}}/gl_copy.csv"
//	  prefix: ledgers
//	  stripe: default
//	  expect: {rows: 100, totals: {BALANCE: "1234567.89"}}
//	  on_failure: skip
//	  retries: 2
//	  retry_delay: 1m
//	  deadline: 2h
//
// By its id, which is one file's; a name may have several:
//
//	download: {file_id: "9916", save_to: "reports/{{.AsOfDate}}/gl_copy.csv"}
//
// What BI Publisher delivered to an object:
//
//	download: {object: BIP/BIP_Report, save_to: "reports/{{.AsOfDate}}/bip.csv"}
type Download struct {
	// File is the name of the file in the service.
	File string `json:"file,omitempty" jsonschema:"format=file-name,oneof_required=file"`
	// FileID is the number of the file in the service.
	FileID string `json:"file_id,omitempty" jsonschema:"format=number,oneof_required=file_id"`
	// Object is the object that BI Publisher delivered a report to.
	Object string `json:"object,omitempty" jsonschema:"minLength=1,oneof_required=object"`
	// SaveTo is where the file is saved.
	SaveTo string `json:"save_to" jsonschema:"format=store/path"`
	// Prefix is the folder of the file in the service.
	Prefix string `json:"prefix,omitempty" jsonschema:"format=prefix"`
	// Stripe is the part of the service's storage that has the file.
	Stripe string `json:"stripe,omitempty" jsonschema:"format=code,default=default"`
	// Expect is what the saved file must contain.
	Expect *verify.Expect `json:"expect,omitempty"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`

	Failing
	Retrying
}

func (d *Download) traits() Traits {
	return Traits{OnFailure: d.OnFailure, Retries: d.Retries, RetryDelay: d.RetryDelay, Deadline: d.Deadline, SaveTo: d.SaveTo, Expect: d.Expect}
}

func (d *Download) setDefaults(rendering) { d.Stripe = cmp.Or(d.Stripe, "default") }

func (d *Download) check(c checker) {
	switch {
	case !c.want(one(d.File, d.FileID, d.Object), "", "must have exactly one of file, file_id and object"):
	case d.Object != "":
		c.want(isPlain(d.Object) && d.Object == strings.TrimSpace(d.Object), "object", "%q is not the name of an object", d.Object)
	case d.File != "":
		c.remoteName("file", d.File)
	default:
		c.want(digits.MatchString(d.FileID), "file_id", "%q is not a file id, which is a number", d.FileID)
	}
	c.prefix("prefix", d.Prefix)
	c.want(codePattern.MatchString(d.Stripe), "stripe", "%q is not a stripe name", d.Stripe)
	c.save("save_to", d.SaveTo)
}

// one reports whether exactly one of the texts is given.
func one(texts ...string) bool {
	given := 0
	for _, text := range texts {
		if text != "" {
			given++
		}
	}
	return given == 1
}
