package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Broken names the first line of a file that is inconsistent with the lines before it, and says why.
type Broken struct {
	Line int64 // from 1
	Why  string
}

func (b *Broken) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Why) }

// Report describes an intact file.
type Report struct {
	Lines  int64  `json:"lines"`  // including the seals
	Closes int    `json:"closes"` // records, each with its seal
	SHA256 string `json:"sha256"` // the last seal's
	Seals  []Seal `json:"-"`      // of each record
}

const maxLine = 16 << 20 // bytes

// Verify reads a file to its end and checks every line. The first inconsistent line is a [Broken]; other errors are
// those of reading.
func Verify(r io.Reader) (Report, error) {
	v := verifier{all: sha256.New(), prev: noLine}
	in := bufio.NewReader(r)
	for {
		text, err := readLine(in)
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return v.end()
		case errors.Is(err, io.EOF):
			return Report{}, v.broken("the line is cut off")
		case errors.Is(err, bufio.ErrTooLong):
			return Report{}, v.broken("the line is longer than an audit file ever has")
		case err != nil:
			return Report{}, err
		}
		if err := v.line(text); err != nil {
			return Report{}, err
		}
	}
}

// readLine returns a line with its line break, which may be missing at the end of the file.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxLine {
			return nil, bufio.ErrTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}

type verifier struct {
	Report
	all interface {
		io.Writer
		Sum([]byte) []byte
	}
	prev   string
	sealed bool   // the last line was a seal
	record string // the execution whose record is not sealed yet
}

func (v *verifier) broken(format string, args ...any) error {
	return &Broken{Line: v.Lines + 1, Why: fmt.Sprintf(format, args...)}
}

func (v *verifier) line(text []byte) error {
	body := text[:len(text)-1]
	var l struct {
		Seq       int64  `json:"seq"`
		Prev      string `json:"prev"`
		Execution string `json:"execution"`
		Event     string `json:"event"`
	}
	switch err := json.Unmarshal(body, &l); {
	case err != nil:
		return v.broken("this is not a line of an audit file")
	case l.Seq != v.Lines+1:
		return v.broken("the line says that it is line %d: lines were dropped, added or moved", l.Seq)
	case l.Prev != v.prev:
		return v.broken("the line does not follow from the line before it: one of the two was changed")
	case v.record != "" && l.Execution != v.record:
		return v.broken("another record begins before the seal of the previous one")
	}
	v.record, v.sealed = l.Execution, l.Event == seal
	if v.sealed {
		if err := v.seal(body, l.Execution); err != nil {
			return err
		}
		v.record = ""
	}
	_, _ = v.all.Write(text)
	v.Lines++
	v.prev = hash(body)
	return nil
}

// seal compares the line byte for byte, because no later line protects it.
func (v *verifier) seal(body []byte, execution string) error {
	end := Seal{Lines: v.Lines, SHA256: hex.EncodeToString(v.all.Sum(nil))}
	want, err := encode(sealLine{Seq: v.Lines + 1, Prev: v.prev, Execution: execution, Event: seal, Seal: end})
	if err != nil {
		return err
	}
	if !bytes.Equal(body, want) {
		return v.broken("the seal does not match the lines before it")
	}
	v.Closes++
	v.SHA256 = end.SHA256
	v.Seals = append(v.Seals, end)
	return nil
}

func (v *verifier) end() (Report, error) {
	if v.Lines == 0 {
		return Report{}, v.broken("the file is empty")
	}
	if !v.sealed {
		return Report{}, v.broken("the file ends without its seal: lines were dropped")
	}
	return v.Report, nil
}
