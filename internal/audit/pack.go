package audit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Temporal accepts 2 MB for the input of an activity. The record of a close with a thousand steps is larger as JSON, and
// a tenth of that when it is packed.
const (
	plainSize   = 256 << 10  // of a record that stays readable in Temporal, in bytes
	packedSize  = 1400 << 10 // of a packed record, which becomes a third larger in JSON
	marshalMax  = 5 << 20    // of a record that is packed
	unpackedMax = 256 << 20
	maxText     = 16 << 10 // of one text of an event
	shortText   = 200      // ... of a record that does not fit
)

// Sized is a record in a form that Temporal accepts: one of the two fields is set.
type Sized struct {
	Record *Record `json:"record,omitempty"`
	// Packed is the gzip of the record's JSON.
	Packed []byte `json:"packed,omitempty"`
}

// reductions are what a record goes without that does not fit, one after the other.
var reductions = []struct {
	what string
	cut  func(*Event)
}{
	{"the definitions of the steps", func(e *Event) { e.Work = nil }},
	{"failed tasks, and totals of files", func(e *Event) {
		e.Tasks = nil
		if e.File != nil {
			file := *e.File
			file.Totals = nil
			e.File = &file
		}
	}},
	{"the ends of long texts", func(e *Event) { e.clip(shortText) }},
	{"what was submitted", func(e *Event) { e.Sent = nil }},
}

// Size brings a record into a form that Temporal accepts, in a fraction of the second that a workflow may compute. What
// had to be left out is an event.
func Size(r Record) (Sized, error) {
	r.Events = slices.Clone(r.Events)
	for i := range r.Events {
		r.Events[i].clip(maxText)
	}
	var leftOut []string
	for {
		s, fits, err := r.sized(leftOut)
		if err != nil || fits {
			return s, err
		}
		if n := len(leftOut); n < len(reductions) {
			for i := range r.Events {
				reductions[n].cut(&r.Events[i])
			}
			leftOut = append(leftOut, reductions[n].what)
			continue
		}
		half := len(r.Events) / 2
		if half == 0 {
			return s, errors.New("audit: an event is too large")
		}
		r.Events = slices.Delete(r.Events, half/2, half/2+half) // the first and the last ones say the most
		leftOut = append(leftOut, fmt.Sprintf("%d events", half))
	}
}

// sized is the record with an event that says what was left out, and whether it fits.
func (r Record) sized(leftOut []string) (s Sized, fits bool, err error) {
	about := 0
	for _, e := range r.Events {
		about += e.size()
	}
	if about > marshalMax {
		return s, false, nil
	}
	if len(leftOut) > 0 {
		last := r.Events[len(r.Events)-1]
		r.Events = append(slices.Clip(r.Events), Event{
			At: last.At, Event: Noted, What: "the record was too large for Temporal, and goes without " + strings.Join(leftOut, "; "),
		})
	}
	text, err := json.Marshal(r)
	if err != nil {
		return s, false, fmt.Errorf("audit: %w", err)
	}
	if len(text) <= plainSize {
		return Sized{Record: &r}, true, nil
	}
	packed := pack(text)
	return Sized{Packed: packed}, len(packed) <= packedSize, nil
}

// size is about how many bytes the event has as JSON.
func (e *Event) size() int {
	const names = 200 // of the fields, and what is short
	n := names + len(e.What) + len(e.By) + len(e.Why) + len(e.Result) + len(e.BasedOn) + len(e.Status) + len(e.WorkflowID)
	n += sizeOf(e.Work)
	for _, text := range slices.Concat(e.Choices, e.RunIDs) {
		n += len(text)
	}
	for _, t := range e.Tasks {
		n += names/4 + len(t.Code) + len(t.Status)
	}
	if e.Sent != nil {
		n += names + sizeOf(e.Sent.Params)
		for _, b := range e.Sent.Batches {
			n += len(b.Code) + sizeOf(b.Params)
		}
	}
	if e.File != nil {
		n += 2*names + sizeOf(e.File.Totals)
	}
	return n
}

func sizeOf(texts map[string]string) (n int) {
	for name, value := range texts {
		n += len(name) + len(value)
	}
	return n
}

func pack(text []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level exists
	_, _ = w.Write(text)                              // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// Unpack returns the record.
func (s Sized) Unpack() (Record, error) {
	if s.Record != nil {
		return *s.Record, nil
	}
	var r Record
	unpacked, err := gzip.NewReader(bytes.NewReader(s.Packed))
	if err != nil {
		return r, fmt.Errorf("audit: the packed record: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, unpackedMax))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("audit: the packed record: %w", err)
	}
	return r, nil
}

// clip shortens the texts that the service, a store or an operator wrote.
func (e *Event) clip(most int) {
	for _, text := range []*string{&e.What, &e.By, &e.Why, &e.Status, &e.BasedOn, &e.Result} {
		*text = clip(*text, most)
	}
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s ... (%d bytes more)", text[:end], len(text)-end)
}
