package simulator

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// dataExports holds the definitions of data exports, and the files that their runs wrote. Source: 26B, chapter 7.
type dataExports struct {
	mu     sync.Mutex
	byCode map[string]DataExport
	files  map[string][]exportedFile // by run id
}

type exportedFile struct {
	object, name string
	size         int64
}

// DataExport is a definition of a data export. Its files are written by a run of its batch: that an export is a task of a
// batch is inferred from the manifest's attributes, as no page says how one is started.
type DataExport struct {
	Code  string `yaml:"code"`
	Batch string `yaml:"batch"`
	Files int    `yaml:"files"`
	Rows  int    `yaml:"rows"` // of the whole run
}

func newDataExports(c Catalog) *dataExports {
	d := &dataExports{byCode: map[string]DataExport{}, files: map[string][]exportedFile{}}
	for _, one := range c.DataExports {
		d.byCode[one.Code] = one
	}
	return d
}

func subjectExport(_ *Simulator, c *call) {
	c.entry.Subject = c.r.URL.Query().Get("code")
	c.entry.Name = c.r.URL.Query().Get("batchRunId")
}

// exportManifest answers the manifest of a run. What it answers for an unknown code or run, and before the end, no page
// says: here a refusal like a migration's, and the run's own state without files.
func (s *Simulator) exportManifest(c *call) *response {
	export, known := s.exports.byCode[c.entry.Subject]
	run, found := s.Run(c.entry.Name)
	if !known || !found || run.Code != export.Batch {
		return migrationError(400, "The code or the batch run id does not exist")
	}
	payload := fields{
		"batchRunId": run.ID, "taskId": "Task1", "executedBy": s.opts.RemoteUser, "dateFormat": "MM-dd-yyyy HH:mm:ss UTC",
		"statusCode": "INPROGRESS", "statusName": "In Progress", "fileDetails": []fields{},
	}
	switch {
	case run.Status == codeSuccess:
		if refusal := s.fillManifest(payload, export, run); refusal != nil {
			return refusal
		}
	case terminal(run.Status):
		payload["statusCode"], payload["statusName"] = "FAILED", "Failed"
	}
	if s.quirks.has(ManifestOtherRun) {
		payload["batchRunId"] = "Data_Extraction_1750335218000_2000-01-01_1"
	}
	return jsonResponse(200, fields{"payload": payload, "status": "Success"})
}

func (s *Simulator) fillManifest(payload fields, export DataExport, run Run) *response {
	written, err := s.writeExport(export, run)
	if err != nil {
		return migrationError(500, err.Error())
	}
	date, layout := "01-02-2006", "01-02-2006 15:04:05"
	if s.quirks.has(ManifestDayFirst) {
		date, layout = "02/01/2006", "02/01/2006 15:04:05"
		payload["dateFormat"] = "dd/MM/yyyy HH:mm:ss"
	}
	asOf, _ := time.Parse(time.DateOnly, run.AsOf)
	if s.quirks.has(ManifestOtherDate) {
		asOf = asOf.AddDate(0, 0, -1)
	}
	var details []fields
	for _, f := range written {
		name := s.store.issue(par{object: f.object, read: true, subject: export.Code, name: f.name})
		if s.quirks.has(ManifestBareNames) {
			name = f.name
		}
		details = append(details, fields{"fileName": name, "fileSize": strconv.FormatInt(f.size, 10)})
	}
	payload["fileDetails"], payload["rowsLoaded"] = details, strconv.Itoa(export.Rows)
	payload["exportFilePrefix"] = run.ID + "/Task1"
	payload["asOfDate"] = asOf.Format(date)
	payload["executedOn"] = run.Created.UTC().Format(layout)
	payload["startTimestamp"], payload["endTimestamp"] = payload["executedOn"], run.Ended.UTC().Format(layout)
	payload["parUrlExpiryTime"] = s.opts.Now().Add(s.opts.PARTTL).UTC().Format(layout)
	payload["statusCode"], payload["statusName"] = "SUCCESS", "Success"
	return nil
}

// writeExport writes the files of a run once.
func (s *Simulator) writeExport(export DataExport, run Run) ([]exportedFile, error) {
	s.exports.mu.Lock()
	defer s.exports.mu.Unlock()
	if written := s.exports.files[run.ID]; written != nil {
		return written, nil
	}
	var written []exportedFile
	for n := range export.Files {
		var out bytes.Buffer
		zipped := gzip.NewWriter(&out)
		rows := export.Rows / export.Files
		if n == 0 {
			rows += export.Rows % export.Files
		}
		_, _ = fmt.Fprintf(zipped, "AS_OF_DATE,ID\n%s", strings.Repeat(run.AsOf+",1\n", rows))
		if err := zipped.Close(); err != nil {
			return nil, err
		}
		sum := md5.Sum(out.Bytes())
		seg, err := s.store.write(&out)
		if err != nil {
			return nil, err
		}
		f := exportedFile{name: fmt.Sprintf("%s_%d_%s.csv.gz", export.Code, n+1, run.Ended.UTC().Format("20060102150405")), size: seg.size}
		f.object = run.ID + "/Task1/" + f.name
		s.store.put(f.object, &blob{
			segments: []segment{seg}, size: seg.size, contentType: "application/gzip",
			md5: base64.StdEncoding.EncodeToString(sum[:]),
		})
		written = append(written, f)
	}
	s.exports.files[run.ID] = written
	return written, nil
}

// publishedReport answers a URL for what BI Publisher delivered. A name that was used before is refused: the guide wants
// a unique one. Source: 25D, 3.1.
func (s *Simulator) publishedReport(c *call) *response {
	var body struct {
		Name   string `json:"name"`
		Object string `json:"objectName"`
	}
	if decodeStrict(c.body, &body) != nil || body.Name == "" || body.Object == "" {
		return migrationError(400, "name and objectName are required")
	}
	c.entry.Subject, c.entry.Name = body.Object, body.Name
	text, ok := s.opts.Catalog.Published[body.Object]
	s.exports.mu.Lock()
	used := s.exports.files["published "+body.Name] != nil
	s.exports.files["published "+body.Name] = []exportedFile{{}}
	s.exports.mu.Unlock()
	switch {
	case !ok:
		return migrationError(400, "The object does not exist")
	case used:
		return migrationError(400, "The name was used before")
	}
	seg, err := s.store.write(strings.NewReader(text))
	if err != nil {
		return migrationError(500, err.Error())
	}
	s.store.put(body.Object, &blob{
		segments: []segment{seg}, size: seg.size, contentType: "application/octet-stream",
		md5: base64.StdEncoding.EncodeToString(seg.md5),
	})
	url := s.store.issue(par{object: body.Object, read: true, subject: body.Object, name: body.Name})
	return jsonResponse(200, fields{"id": randomText(12), "url": url, "status": "Success"})
}
