package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// SentFiles reads every upload that an intact audit file records, in the order of the lines: also those of a path that was
// sent again later, which have ids of their own.
func SentFiles(r io.Reader) (sent []File, err error) {
	in := bufio.NewReader(r)
	for {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return sent, err
		}
		if l.Event.Event == FileSent && l.File != nil {
			sent = append(sent, *l.File)
		}
	}
}
