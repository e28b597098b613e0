package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"strings"
)

// rows counts the records of what is written to it: of a CSV file those below the header, where a line break
// within quotes does not end one; of any other file the lines.
type rows struct {
	csv     bool
	ended   int64
	quoted  bool
	partial bool
}

func newRows(name string) *rows {
	return &rows{csv: strings.EqualFold(path.Ext(name), ".csv")}
}

// Write searches for the next quote: a ledger has a billion bytes and few quotes.
func (r *rows) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece, quote := rest, -1
		if r.csv {
			quote = bytes.IndexByte(rest, '"')
		}
		if quote >= 0 {
			piece = rest[:quote+1]
		}
		if !r.quoted {
			r.ended += int64(bytes.Count(piece, []byte{'\n'}))
		}
		r.partial = r.quoted || piece[len(piece)-1] != '\n'
		r.quoted = r.quoted != (quote >= 0)
		rest = rest[len(piece):]
	}
	return len(p), nil
}

func (r *rows) count() int64 {
	n := r.ended
	if r.partial {
		n++
	}
	if r.csv {
		n = max(n-1, 0)
	}
	return n
}

// MarshalBinary lets a later attempt continue the count.
func (r *rows) MarshalBinary() ([]byte, error) {
	flags := byte(0)
	for i, set := range []bool{r.quoted, r.partial} {
		if set {
			flags |= 1 << i
		}
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(r.ended)), flags), nil
}

// UnmarshalBinary continues the count of an earlier attempt at the same file.
func (r *rows) UnmarshalBinary(state []byte) error {
	if len(state) != 9 {
		return errors.New("not a count of rows")
	}
	r.ended = int64(binary.BigEndian.Uint64(state))
	r.quoted, r.partial = state[8]&1 != 0, state[8]&2 != 0
	return nil
}
