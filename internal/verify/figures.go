package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Figures are what a file contains.
type Figures struct {
	Bytes int64 `json:"bytes"`
	// Rows is nil for a file that does not say for certain how many it has.
	Rows   *int64            `json:"rows,omitempty"`
	SHA256 string            `json:"sha256"`
	Totals map[string]string `json:"totals,omitempty"`
}

// Form is how a file is to be read.
type Form struct {
	CSV       bool
	Delimiter byte     // 0 if it is not given
	Columns   []string // whose totals are needed
	Rows      bool     // rows are needed even of a file that is not CSV
}

// FormatError says where a file does not have its form.
type FormatError struct {
	Line    int64 // from 1; 0 for the file as a whole
	Message string
}

func (e *FormatError) Error() string {
	return problem.Problem{Line: int(e.Line), Message: e.Message}.String()
}

const chunk = 256 << 10 // bytes read at once

// ReadFigures reads r once, to its end, in constant memory. It calls progress, if it is not nil, with the bytes
// read so far. For a file without the form the error is a [FormatError]; bytes and SHA-256, which depend on no
// form, are right even then.
func ReadFigures(r io.Reader, form Form, progress func(done int64)) (Figures, error) {
	var found Figures
	sha := sha256.New()
	rows := newReader(form)
	buffer := make([]byte, chunk)
	for {
		n, err := r.Read(buffer)
		found.Bytes += int64(n)
		sha.Write(buffer[:n])
		rows.write(buffer[:n])
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
	found.SHA256 = hex.EncodeToString(sha.Sum(nil))
	count, malformed := rows.end()
	if malformed == nil && rows.ctrlZ {
		malformed = &FormatError{Message: "the file " + problem.ErrCtrlZ.Error()}
	}
	switch {
	case malformed == nil:
		found.Rows, found.Totals = &count, rows.tables[0].totals()
	case form.CSV || form.Rows:
		return found, malformed
	}
	return found, nil
}
