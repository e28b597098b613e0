package pipeline

import (
	"cmp"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// KindUpload is the kind of [Upload].
const KindUpload Kind = "upload"

// Upload uploads a file from a store to the service, or all files of a folder.
//
//	upload:
//	  file: "inbox/gl_{{.AsOfDate}}.csv"
//	  name: gl.csv
//	  wait_until: "01:30"
//	  stable_for: 30s
//	  marker: "inbox/gl_{{.AsOfDate}}.done"
//	  on_failure: skip
//	  retries: 1
//	  retry_delay: 5m
//	  expect: {manifest: "inbox/gl_{{.AsOfDate}}.manifest.json"}
//	  mime_type: Text/CSV
//	  prefix: ledgers
//	  service_id: OFS_FTP
//
// A folder:
//
//	upload: {file: "inbox/extracts_{{.AsOfDate}}/", list_to: "reports/{{.AsOfDate}}/extracts.jsonl"}
type Upload struct {
	// File is the file to upload. If it ends with a "/", it is a folder, and all of its files are uploaded once none of
	// them is still being written. Folders in it must not have files.
	File string `json:"file" jsonschema:"format=store/path/"`
	// ListTo is where the list of uploaded files is saved; for a folder only. Two steps must not write the
	// same list. Default: beside the folder, under its name plus .sent.jsonl.
	ListTo string `json:"list_to,omitempty" jsonschema:"format=store/path"`
	// Name is what the file is called in the service. Default: its name in the store.
	Name string `json:"name,omitempty" jsonschema:"format=file-name"`
	// WaitUntil is how long to wait for a file that is not there yet, or not complete. One of fewer than 2
	// bytes, which the service would refuse, is not complete. For a folder it needs Marker.
	WaitUntil string `json:"wait_until,omitempty" jsonschema:"format=time"`
	// StableFor is how long the file's size and modification time must stay the same before the file
	// counts as complete.
	StableFor Duration `json:"stable_for,omitempty"`
	// Marker is a file whose presence says that File is complete; the manifest of Expect can serve as one.
	// A marker inside the folder is not uploaded.
	Marker string `json:"marker,omitempty" jsonschema:"format=store/path"`
	// Expect is what the file must contain; it is checked before the upload.
	Expect *verify.Expect `json:"expect,omitempty"`
	// MimeType is sent with the file: Text/CSV, Text/plain or DAT. Default: by the extension of its name.
	MimeType string `json:"mime_type,omitempty" jsonschema:"format=type"`
	// Prefix is the folder of the file in the service.
	Prefix string `json:"prefix,omitempty" jsonschema:"format=prefix"`
	// ServiceID is the service that scans the file, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`

	Failing
	Retrying
}

// IsFolder reports whether File is a folder.
func (u *Upload) IsFolder() bool { return strings.HasSuffix(u.File, "/") }

// SentList is where the list of a folder's uploaded files is saved by default.
func SentList(folder string) string { return strings.TrimSuffix(folder, "/") + ".sent.jsonl" }

func (u *Upload) traits() Traits {
	return Traits{
		OnFailure:  u.OnFailure,
		Retries:    u.Retries,
		RetryDelay: u.RetryDelay,
		WaitUntil:  u.WaitUntil,
		Files:      []string{strings.TrimSuffix(u.File, "/"), u.Marker},
		ListTo:     u.ListTo,
		Expect:     u.Expect,
	}
}

func (u *Upload) setDefaults(r rendering) {
	if u.IsFolder() && u.ListTo == "" && r.key != "" { // another close for the date may list the same folder
		u.ListTo = SentList(strings.TrimSuffix(u.File, "/") + "." + r.key)
	}
	if u.Name == "" && !u.IsFolder() {
		u.Name = u.File[strings.LastIndex(u.File, "/")+1:]
	}
}

func (u *Upload) check(c checker) {
	c.ref("file", strings.TrimSuffix(u.File, "/"))
	c.want(u.StableFor >= 0, "stable_for", "must not be negative")
	u.checkFolder(c)
	if u.Name != "" { // it comes from the file if that is valid
		c.remoteName("name", u.Name)
	}
	if u.Marker != "" {
		c.ref("marker", u.Marker)
	}
	c.prefix("prefix", u.Prefix)
	c.optionalCode("service_id", u.ServiceID)
	c.want(u.MimeType == "" || mimePattern.MatchString(u.MimeType), "mime_type",
		"%q is not one of the types that the service takes: Text/CSV, Text/plain, DAT", u.MimeType)
}

// checkFolder checks which keys go with a folder, and which with a single file.
func (u *Upload) checkFolder(c checker) {
	if !u.IsFolder() {
		c.want(u.ListTo == "", "list_to", "is for a folder: end file with a /")
		return
	}
	if list := cmp.Or(u.ListTo, SentList(u.File)); !c.has("file") {
		c.save("list_to", list)
	}
	c.want(u.Name == "", "name", "is for a single file, and file is a folder")
	c.want(u.StableFor == 0, "stable_for", "is for a single file, and file is a folder")
	c.want(u.Expect == nil, "expect", "is for a single file, and file is a folder")
	c.want(u.WaitUntil == "" || u.Marker != "", "wait_until",
		"needs a marker: a folder itself does not show that it is complete")
}
