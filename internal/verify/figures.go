package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Figures are what a file contains.
type Figures struct {
	Bytes  int64             `json:"bytes"`
	Rows   int64             `json:"rows"`
	SHA256 string            `json:"sha256"`
	Totals map[string]string `json:"totals,omitempty"`
}

// Form is how a file is to be read.
type Form struct {
	CSV       bool
	Delimiter byte
	Columns   []string // whose totals are needed
}

// FormatError says where a file does not have its form.
type FormatError struct {
	Line    int64 // from 1
	Message string
}

func (e *FormatError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

const chunk = 256 << 10 // bytes read at once

// ReadFigures reads r once, to its end, in constant memory. It calls progress, if it is not nil, with the bytes
// read so far. For a file without the form the error is a [FormatError]; bytes and SHA-256, which depend on no
// form, are right even then.
func ReadFigures(r io.Reader, form Form, progress func(done int64)) (Figures, error) {
	var found Figures
	sha := sha256.New()
	rows := newCounter(form)
	buffer := make([]byte, chunk)
	var malformed error
	for {
		n, err := r.Read(buffer)
		found.Bytes += int64(n)
		sha.Write(buffer[:n])
		if malformed == nil {
			malformed = rows.take(buffer[:n])
		}
		if progress != nil && n > 0 {
			progress(found.Bytes)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return found, err
		}
	}
	if malformed == nil {
		malformed = rows.end(&found)
	}
	found.SHA256 = hex.EncodeToString(sha.Sum(nil))
	return found, malformed
}

// counter counts the rows of a file, which it takes piece by piece.
type counter interface {
	take(piece []byte) error
	end(into *Figures) error
}

func newCounter(form Form) counter {
	if form.CSV {
		return newTable(form)
	}
	return &lines{}
}
