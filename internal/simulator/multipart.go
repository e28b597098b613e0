package simulator

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// createUpload starts a multipart upload through the file's PAR. The path that it returns is just as secret.
func (s *Simulator) createUpload(c *call) *response {
	if refusal := s.admit(c, true); refusal != nil {
		return refusal
	}
	u := &upload{
		id: randomText(18), object: c.par.object, file: c.par.file, parts: map[int]segment{},
		contentType: c.r.Header.Get("Content-Type"), meta: metaHeaders(c.r.Header),
	}
	secret := s.store.register(par{object: c.par.object, write: true, upload: u, subject: c.par.subject, name: c.par.name})
	return jsonResponse(200, fields{
		"accessUri": s.store.root(secret) + "/u/" + u.object + "/id/" + u.id + "/",
		"namespace": namespace, "bucket": s.store.bucket(), "object": u.object, "uploadId": u.id,
		"timeCreated": s.clock.Sim().UTC().Format("2006-01-02T15:04:05.000Z"),
	})
}

// admitUpload checks the upload's URI and returns the rest of the path, which is the part's number.
func (s *Simulator) admitUpload(c *call) (u *upload, rest string, refusal *response) {
	p := c.par
	if p == nil || p.upload == nil || c.r.PathValue("ns") != namespace || c.r.PathValue("bucket") != s.store.bucket() {
		return nil, "", s.notAdmitted()
	}
	rest, ok := strings.CutPrefix(c.r.PathValue("upload"), p.object+"/id/"+p.upload.id+"/")
	s.store.mu.Lock()
	ok = ok && s.opts.Now().Before(p.expires) && !p.upload.done
	s.store.mu.Unlock()
	if !ok {
		return nil, "", s.notAdmitted()
	}
	return p.upload, rest, nil
}

func (s *Simulator) putPart(c *call) *response {
	u, rest, refusal := s.admitUpload(c)
	if refusal != nil {
		return refusal
	}
	number, err := strconv.Atoi(rest)
	if err != nil || number < 1 || number > maxPartNumber {
		return storeError(400, "A part's number must be 1 to 10000.")
	}
	c.entry.Created = "part " + rest
	seg, refusal := s.receive(c)
	if refusal != nil {
		return refusal
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if u.done {
		_ = os.Remove(seg.path)
		return s.notAdmitted()
	}
	if old, ok := u.parts[number]; ok {
		_ = os.Remove(old.path)
	}
	u.parts[number] = seg
	h := http.Header{"Etag": {seg.etag}}
	h["opc-content-md5"] = []string{base64.StdEncoding.EncodeToString(seg.md5)}
	return &response{status: 200, header: h}
}

func (s *Simulator) commitUpload(c *call) *response {
	u, rest, refusal := s.admitUpload(c)
	if refusal != nil {
		return refusal
	}
	if n, _ := c.r.Body.Read(make([]byte, 1)); n > 0 || rest != "" {
		return storeError(400, "A commit through a pre-authenticated request has an empty body.")
	}
	s.store.mu.Lock()
	b := &blob{contentType: u.contentType, meta: u.meta}
	var sums bytes.Buffer
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		part := u.parts[number]
		b.segments = append(b.segments, part)
		b.size += part.size
		sums.Write(part.md5)
	}
	valid := !u.done && len(b.segments) > 0 && b.size <= maxObjectSize
	u.done = u.done || valid
	s.store.mu.Unlock()
	if !valid {
		return storeError(400, "There are no parts to commit, or they are too large together.")
	}
	sum := md5.Sum(sums.Bytes())
	b.multipartMD5 = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(sum[:]), len(b.segments))
	s.store.put(u.object, b)
	s.noteArrival(c, u.file, b.size)
	h := http.Header{"Etag": {b.etag}}
	h["opc-multipart-md5"] = []string{b.multipartMD5}
	h.Set("Last-Modified", b.modified.UTC().Format(http.TimeFormat))
	return &response{status: 200, header: h}
}

func (s *Simulator) abortUpload(c *call) *response {
	u, _, refusal := s.admitUpload(c)
	if refusal != nil {
		return refusal
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	u.done = true
	removeSegments(slices.Collect(maps.Values(u.parts)))
	return &response{status: 204, header: http.Header{}}
}
