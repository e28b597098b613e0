package simulator

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxFileSize = 10_000_000_000_000 // 10 TB

var (
	fileNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	prefixPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*/?$`)
	mimeTypes       = []string{"text/csv", "text/plain", "dat"}
)

// File is a file announced to the service. Source: chapter 3.
type File struct {
	ID       int64
	Name     string
	Prefix   string
	Stripe   string
	MimeType string
	Size     int64 // as declared
	Received int64 // bytes in the object store; -1 if none
	Arrived  bool  // as many bytes as declared are there, so the service shows the file
	Scanned  bool
	Scanning time.Time // simulated time of the first scan, with the quirk
	Deleted  time.Time // simulated time from which it is not listed; zero if it was not deleted
	Created  time.Time // simulated time

	object string
}

type files struct {
	mu   sync.Mutex
	next int64
	byID map[int64]*File
}

func newFiles() *files { return &files{next: 5025, byID: map[int64]*File{}} }

func (f *files) add(file File) File {
	f.mu.Lock()
	defer f.mu.Unlock()
	file.ID = f.next
	f.next++
	f.byID[file.ID] = &file
	return file
}

func (f *files) get(id int64) (File, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, ok := f.byID[id]
	if !ok {
		return File{}, false
	}
	return *file, true
}

// scanTakes is how long a scan lasts with the quirk.
const scanTakes = 5 * time.Second

// scanning is when the first scan of a file began: now, if this is the first.
func (f *files) scanning(id int64, now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[id].Scanning.IsZero() {
		f.byID[id].Scanning = now
	}
	return f.byID[id].Scanning
}

func (f *files) scan(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byID[id].Scanned = true
}

// list returns every file with what the object store holds of it, oldest first.
func (f *files) list(store *objectStore) []File {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]File, 0, len(f.byID))
	for _, file := range f.byID {
		out = append(out, file.received(store))
	}
	slices.SortFunc(out, func(a, b File) int { return int(a.ID - b.ID) })
	return out
}

func (f File) received(store *objectStore) File {
	f.Received = -1
	if b, ok := store.object(f.object); ok {
		f.Received = b.size
	}
	f.Arrived = f.Received == f.Size
	return f
}

// visible reports whether the service shows the file.
func (s *Simulator) visible(f File) bool {
	if !f.Deleted.IsZero() && !s.clock.Sim().Before(f.Deleted) {
		return false
	}
	return f.Arrived && (f.Scanned || !s.quirks.has(ScanRequired))
}

func utilsError(status int, text string) *response {
	return jsonResponse(status, fields{"status": "failed", "errorMessage": text})
}

type uploadRequest struct {
	FileName *string `json:"fileName"`
	FileSize *int64  `json:"fileSize"`
	MimeType *string `json:"mimeType"`
}

func (s *Simulator) decodeUpload(c *call) (uploadRequest, bool) {
	var one uploadRequest
	if !s.quirks.has(ArrayBody) {
		return one, firstByteIs(c.body, '{') && decodeStrict(c.body, &one) == nil
	}
	var list []uploadRequest
	if decodeStrict(c.body, &list) != nil || len(list) != 1 {
		return one, false
	}
	return list[0], true
}

func subjectUpload(s *Simulator, c *call) {
	if u, ok := s.decodeUpload(c); ok && u.FileName != nil {
		c.entry.Name = *u.FileName
	}
}

func subjectFileID(s *Simulator, c *call) {
	c.entry.Subject = c.r.PathValue("id")
	if id, err := strconv.ParseInt(c.entry.Subject, 10, 64); err == nil {
		f, _ := s.files.get(id)
		c.entry.Name = f.Name
	}
}

func subjectFileName(_ *Simulator, c *call) { c.entry.Name = c.r.URL.Query().Get("fileName") }

func (s *Simulator) uploadPAR(c *call) *response {
	u, ok := s.decodeUpload(c)
	if !ok || u.FileName == nil || u.FileSize == nil || u.MimeType == nil {
		return utilsError(400, "fileName, fileSize and mimeType are required.")
	}
	prefix := c.r.URL.Query().Get("prefix")
	switch {
	case !fileNamePattern.MatchString(*u.FileName):
		return utilsError(400, "fileName must start with an alphanumeric character and hold only alphabets, numbers, hyphen, dot and underscore, 255 at most.")
	case *u.FileSize <= 1 || *u.FileSize >= maxFileSize:
		return utilsError(400, "fileSize must be greater than 1 Byte and less than 10 TB.")
	case !slices.Contains(mimeTypes, strings.ToLower(*u.MimeType)):
		return utilsError(400, "mimeType must be Text/CSV, Text/plain or DAT.")
	case !prefixPattern.MatchString(prefix):
		return utilsError(400, "prefix holds characters that are not allowed.")
	}
	stripe := cmp.Or(c.r.URL.Query().Get("stripeName"), "default")
	now := s.clock.Sim()
	f := s.files.add(File{
		Name: *u.FileName, Size: *u.FileSize, MimeType: *u.MimeType, Prefix: prefix, Stripe: stripe,
		Created: now, object: s.store.newName(prefix, stripe, now),
	})
	c.entry.Subject = strconv.FormatInt(f.ID, 10)
	c.entry.Created = c.entry.Subject
	url := s.store.issue(par{object: f.object, write: true, read: !s.quirks.has(UploadPARWriteOnly), file: f.ID, subject: c.entry.Subject, name: f.Name})
	status := 200
	if s.quirks.has(CreatedStatuses) {
		status = 201
	}
	if s.quirks.has(FlatAnswer) {
		return jsonResponse(status, fields{"fileName": f.Name, "uploadURL": url, "fileId": s.fileID(f)})
	}
	return jsonResponse(status, fields{"payload": fields{
		"uploadURL": url, "createUser": s.opts.RemoteUser, "stripeName": f.Stripe, "fileId": s.fileID(f),
		"createDate": now.Format("2006-01-02T15:04:05"), "token": "", "status": "success",
	}})
}

func (s *Simulator) fileID(f File) any {
	if s.quirks.has(FileIDAsString) {
		return strconv.FormatInt(f.ID, 10)
	}
	return f.ID
}

func (s *Simulator) scanFile(c *call) *response {
	if s.quirks.has(NoScan) {
		return jsonResponse(404, fields{"status": "failed", "errorMessage": "The resource does not exist."})
	}
	f, refusal := s.fileByID(c)
	if refusal != nil {
		return refusal
	}
	if !f.Arrived {
		return utilsError(400, "The file has not been uploaded.")
	}
	if s.quirks.has(ScanInfected) {
		return jsonResponse(200, fields{"payload": fields{"fileId": s.fileID(f), "scanStatus": "INFECTED"}, "status": "success"})
	}
	if now := s.clock.Sim(); s.quirks.has(ScanLater) && now.Before(s.files.scanning(f.ID, now).Add(scanTakes)) {
		return jsonResponse(200, fields{"status": "INPROGRESS"})
	}
	s.files.scan(f.ID)
	if s.quirks.has(ScanEmpty) {
		return &response{status: 200, header: http.Header{}}
	}
	return jsonResponse(200, fields{"payload": fields{"fileId": s.fileID(f), "status": "success"}})
}

func (s *Simulator) listFiles(c *call) *response {
	stripe := c.r.URL.Query().Get("stripeName")
	layout := "02-Jan-06 03:04:05 PM"
	if s.quirks.has(ISODates) {
		layout = "2006-01-02T15:04:05"
	}
	list := []fields{}
	for _, f := range s.files.list(s.store) {
		if !s.visible(f) || stripe != "" && f.Stripe != stripe {
			continue
		}
		name := f.Name
		if s.quirks.has(NameCapitalised) {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		list = append(list, fields{
			"v_file_name": name, "n_file_id": s.fileID(f), "v_stripe_name": f.Stripe,
			"d_upload_date": strings.ToUpper(f.Created.Format(layout)),
		})
	}
	count := len(list)
	if s.quirks.has(CountLies) {
		count += 7
	}
	return jsonResponse(200, fields{"payload": list, "count": count})
}

func (s *Simulator) downloadByName(c *call) *response {
	q := c.r.URL.Query()
	name, stripe, prefix := q.Get("fileName"), q.Get("stripeName"), q.Get("prefix")
	if name == "" {
		return utilsError(400, "fileName is required.")
	}
	for _, f := range slices.Backward(s.files.list(s.store)) { // the latest with that name
		if s.visible(f) && f.Name == name && f.Prefix == prefix && (stripe == "" || f.Stripe == stripe) {
			c.entry.Subject = strconv.FormatInt(f.ID, 10)
			return s.downloadPAR(f)
		}
	}
	return utilsError(404, "The file does not exist.")
}

func (s *Simulator) downloadByID(c *call) *response {
	f, refusal := s.fileByID(c)
	if refusal != nil {
		return refusal
	}
	if !s.visible(f) {
		return utilsError(404, "The file does not exist.")
	}
	return s.downloadPAR(f)
}

func (s *Simulator) fileByID(c *call) (File, *response) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return File{}, utilsError(400, "The file id is not a number.")
	}
	f, ok := s.files.get(id)
	if !ok {
		return File{}, utilsError(404, "The file does not exist.")
	}
	return f.received(s.store), nil
}

func (s *Simulator) downloadPAR(f File) *response {
	return jsonResponse(http.StatusOK, fields{"payload": fields{
		"downloadURL": s.store.issue(par{object: f.object, read: true, subject: strconv.FormatInt(f.ID, 10), name: f.Name}) + disposition(f.Name),
	}})
}

// disposition returns the query of the document's download URLs.
func disposition(name string) string {
	return "?httpResponseContentDisposition=" + strings.ReplaceAll(url.QueryEscape("ATTACHMENT; filename="+name), "+", "%20")
}
