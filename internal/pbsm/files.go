package pbsm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// UploadRequest announces a file. Source: chapter 3, Request JSON Parameters.
type UploadRequest struct {
	FileName string // starts with a letter or digit; then also - . _; at most 255 characters
	FileSize int64  // bytes; more than 1, at most Config.MaxFileSize
	MimeType string // Text/CSV, Text/plain or DAT; by FileName when empty
	Prefix   string
}

// UploadPAR is the URL to upload an announced file to, and the id that the file will have.
type UploadPAR struct {
	PAR        PAR
	FileID     string
	CreateDate string // the service's text, without a time zone
}

// File is an uploaded file. Its identity is the ID; names need not be unique.
type File struct {
	ID         string
	Name       string
	UploadDate string // the service's text, such as "31-JAN-23 06:33:43 AM", without a time zone
	StripeName string
}

// DownloadRequest names a file to download. Source: chapter 3.
type DownloadRequest struct {
	FileName   string
	StripeName string // "default" when empty
	Prefix     string
}

const defaultStripe = "default"

var (
	fileNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	mimeTypes       = []string{"Text/CSV", "Text/plain", "DAT"}
)

// MimeTypeFor is the documented type for a file's extension, Text/plain for any other.
func MimeTypeFor(fileName string) string {
	switch strings.ToLower(path.Ext(fileName)) {
	case ".csv":
		return "Text/CSV"
	case ".dat":
		return "DAT"
	}
	return "Text/plain"
}

// CreateUploadPAR announces a file and returns the URL to upload it to. Each call creates another file id; the file
// exists once its bytes have arrived. Source: chapter 3, Generating PAR URL for File Upload.
func (c *Client) CreateUploadPAR(ctx context.Context, req UploadRequest) (UploadPAR, error) {
	if req.MimeType == "" {
		req.MimeType = MimeTypeFor(req.FileName)
	}
	var body any = map[string]any{"fileName": req.FileName, "fileSize": req.FileSize, "mimeType": req.MimeType}
	if c.cfg.UploadBody == UploadBodyArray {
		body = []any{body}
	}
	r := call{
		name: "upload PAR", subject: req.FileName,
		method: http.MethodPost,
		path:   "/utils-service/v1/file/uploadfile/parURL",
		query:  url.Values{"prefix": {req.Prefix}},
		body:   body,

		settings: []string{"upload_body"},
	}
	return ask(ctx, c, r, (*response).uploadPAR, req.Check(c.cfg.MaxFileSize))
}

// MinFileSize is the size of the smallest file that the service accepts, in bytes.
const MinFileSize = 2

// Check returns everything that the service would refuse, without a call. maxSize is in bytes.
func (req UploadRequest) Check(maxSize int64) error {
	if req.MimeType == "" {
		req.MimeType = MimeTypeFor(req.FileName)
	}
	var problems []error
	if !fileNamePattern.MatchString(req.FileName) {
		problems = append(problems, fmt.Errorf("file name %q must start with a letter or digit, contain only letters, digits, "+
			"hyphens, dots and underscores, and have at most 255 characters", oneLine(req.FileName, 300)))
	}
	if req.FileSize < MinFileSize {
		problems = append(problems, fmt.Errorf("file size %d must be more than 1 byte", req.FileSize))
	}
	if req.FileSize > maxSize {
		problems = append(problems, fmt.Errorf("file size %d must be at most %d bytes", req.FileSize, maxSize))
	}
	if !slices.ContainsFunc(mimeTypes, func(known string) bool { return strings.EqualFold(known, req.MimeType) }) {
		known := strings.Join(mimeTypes, ", ")
		problems = append(problems, fmt.Errorf("mime type %q must be one of %s", req.MimeType, known))
	}
	return errors.Join(append(problems, checkOptional("prefix", req.Prefix))...)
}

func checkOptional(name, value string) error {
	if value == "" {
		return nil
	}
	return checkHeaderValue(name, value)
}

type uploadPayload struct {
	UploadURL  text `json:"uploadURL"`
	FileID     text `json:"fileId"`
	CreateDate text `json:"createDate"`
	Status     text `json:"status"`
}

// uploadPayloads is an object, or an array of one: what an array announced may be answered by one.
type uploadPayloads []uploadPayload

func (p *uploadPayloads) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return json.Unmarshal(b, (*[]uploadPayload)(p))
	}
	*p = make(uploadPayloads, 1)
	return json.Unmarshal(b, &(*p)[0])
}

func (a *response) uploadPAR() (UploadPAR, error) {
	var body struct {
		Payload uploadPayloads `json:"payload"`
		uploadPayload
	}
	if err := a.decode(&body); err != nil {
		return UploadPAR{}, err
	}
	p := body.uploadPayload // other releases send it without the payload
	if len(body.Payload) > 0 {
		p = body.Payload[0]
	}
	switch {
	case !a.ok():
		return UploadPAR{}, a.asError(nil)
	case len(body.Payload) > 1:
		return UploadPAR{}, a.fail("the response is about several files, but one was announced")
	case p.Status != "" && !strings.EqualFold(string(p.Status), "success"):
		return UploadPAR{}, a.fail("the upload was not granted")
	case p.FileID.id() == "":
		return UploadPAR{}, a.fail("the response contains no file id")
	}
	par, err := a.link(p.UploadURL)
	if err != nil {
		return UploadPAR{}, err
	}
	return UploadPAR{PAR: par, FileID: p.FileID.id(), CreateDate: a.text(string(p.CreateDate))}, nil
}

// Scan is what the service answered to the request of a scan.
type Scan struct {
	Answer     string // all of it in one line, at most 500 bytes, secrets removed; empty if it was empty
	InProgress bool   // the scan has not ended: request it again
}

// ScanFile requests the scan that is the last step of an upload in the service's file guide, since 22.12.01. Its API
// guide does not have it, and no page shows its response, so nothing proves a success: any 2xx counts in which no field
// that is named like a status reports a failure, or that something was found.
// Source: File Upload and Download, Step 4.
func (c *Client) ScanFile(ctx context.Context, fileID string) (Scan, error) {
	segment, err := pathSegment("file id", fileID)
	r := call{
		name: "scan", subject: "of file " + fileID,
		method: http.MethodPut, path: "/utils-service/v1/file/scan/" + segment, header: c.service(),
		notFound: "whether the tenant has this call; if not, set scan_after_upload of the connection to false",
	}
	return ask(ctx, c, r, (*response).scan, err)
}

func (a *response) scan() (Scan, error) {
	said, words := a.explanation(), a.statuses()
	scan := Scan{Answer: a.whole(), InProgress: words.inProgress()}
	switch {
	case a.html || a.damaged:
		return Scan{}, a.asError(a.problem)
	case words.infected():
		return Scan{}, a.failFinally("the scan found something: " + scan.Answer)
	case scan.InProgress && (a.ok() || a.status == http.StatusBadRequest): // as in a migration
		return scan, nil
	case !a.ok() || said.refusal():
		return Scan{}, a.asError(nil)
	case words.fail():
		return Scan{}, a.failFinally("the scan failed: " + scan.Answer)
	}
	return scan, nil
}

// failing reports whether a status word says that something failed, however it is spelled.
func failing(status text) bool {
	word := strings.ToLower(string(status))
	return strings.HasPrefix(word, "fail") || strings.HasPrefix(word, "err")
}

// ListFiles lists the uploaded files of a stripe, "default" when empty.
// Source: chapter 3, Viewing List of Uploaded Files.
func (c *Client) ListFiles(ctx context.Context, stripe string) ([]File, error) {
	stripe = cmp.Or(stripe, defaultStripe)
	r := call{
		name: "file list", subject: "of stripe " + stripe,
		method: http.MethodGet, path: "/utils-service/v1/listfiles", query: url.Values{"stripeName": {stripe}},
		maxResponse: maxFileList, // the list has no pages
	}
	return ask(ctx, c, r, (*response).files, checkHeaderValue("stripe", stripe))
}

func (a *response) files() ([]File, error) {
	var body struct {
		Payload *[]struct {
			Name       text `json:"v_file_name"`
			ID         text `json:"n_file_id"`
			UploadDate text `json:"d_upload_date"`
			StripeName text `json:"v_stripe_name"`
		} `json:"payload"`
		Count  text `json:"count"`
		Status text `json:"status"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if !a.ok() {
		return nil, a.asError(nil)
	}
	switch {
	case failing(body.Status):
		return nil, a.fail("the files were not listed")
	case body.Payload == nil && body.Count == "0": // some serialisers have no empty list
		return []File{}, nil
	case body.Payload == nil:
		return nil, a.fail("the response contains no list of files")
	}
	files := make([]File, 0, len(*body.Payload)) // the list's own count may be wrong
	for _, f := range *body.Payload {
		files = append(files, File{
			ID:         f.ID.id(),
			Name:       oneLine(string(f.Name), maxErrorText),
			UploadDate: oneLine(string(f.UploadDate), maxErrorText),
			StripeName: oneLine(string(f.StripeName), maxErrorText),
		})
	}
	return files, nil
}

// CreateDownloadPARByName returns a URL to download a file by its name.
// Source: chapter 3, Calling the API to Generate PAR URL for File Download Using File Name.
func (c *Client) CreateDownloadPARByName(ctx context.Context, req DownloadRequest) (PAR, error) {
	req.StripeName = cmp.Or(req.StripeName, defaultStripe)
	r := call{
		name: "download PAR", subject: req.FileName,
		method: http.MethodGet, path: "/utils-service/v1/file/download",
		query: url.Values{"fileName": {req.FileName}, "stripeName": {req.StripeName}, "prefix": {req.Prefix}},
	}
	return ask(ctx, c, r, (*response).downloadPAR,
		checkHeaderValue("file name", req.FileName),
		checkHeaderValue("stripe", req.StripeName),
		checkOptional("prefix", req.Prefix))
}

// CreateDownloadPARByID returns a URL to download a file by its id.
// Source: chapter 3, Calling the API to Generate PAR URL for File Download Using File ID.
func (c *Client) CreateDownloadPARByID(ctx context.Context, fileID string) (PAR, error) {
	segment, err := pathSegment("file id", fileID)
	r := call{
		name: "download PAR", subject: "of file " + fileID,
		method: http.MethodGet, path: "/utils-service/v1/file/downloadfile/" + segment,
	}
	return ask(ctx, c, r, (*response).downloadPAR, err)
}

func (a *response) downloadPAR() (PAR, error) {
	type payload struct {
		DownloadURL text `json:"downloadURL"`
	}
	var body struct {
		Payload *payload `json:"payload"`
		payload
	}
	if err := a.decode(&body); err != nil {
		return PAR{}, err
	}
	if !a.ok() {
		return PAR{}, a.asError(nil)
	}
	if body.Payload != nil {
		return a.link(body.Payload.DownloadURL)
	}
	return a.link(body.DownloadURL)
}
