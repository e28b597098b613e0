package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Form is how a file is to be read.
type Form struct {
	CSV       bool
	Delimiter byte
	Columns   []string // whose sums are wanted
}

// FormatError says where a file cannot be read as what it should be.
type FormatError struct {
	Line    int64 // from 1
	Message string
}

func (e *FormatError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

const chunk = 256 << 10 // bytes read at once

// Measure reads r once, to its end, in constant memory. progress may be nil; it is told
// the bytes read so far. A file that is not well formed is a [FormatError]; the figures
// that need no form, bytes and SHA-256, are right all the same.
func Measure(r io.Reader, form Form, progress func(done int64)) (Figures, error) {
	var found Figures
	sha := sha256.New()
	records := newCounter(form)
	buffer := make([]byte, chunk)
	var malformed error
	for {
		n, err := r.Read(buffer)
		found.Bytes += int64(n)
		sha.Write(buffer[:n])
		if malformed == nil {
			malformed = records.take(buffer[:n])
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
		malformed = records.end(&found)
	}
	found.SHA256 = hex.EncodeToString(sha.Sum(nil))
	return found, malformed
}

// counter takes a file piece by piece.
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
