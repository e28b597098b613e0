package problem

import (
	"bytes"
	"errors"
	"fmt"
)

// ByteOrderMark is what some editors put in front of a text in UTF-8.
const ByteOrderMark = "\ufeff"

// HeadSize is how many of a file's first bytes [NotText] needs.
const HeadSize = 8

// binaries are forms of files by their first bytes.
var binaries = []struct{ magic, is string }{
	{"\xff\xfe\x00\x00", "is UTF-32: save it as UTF-8"},
	{"\x00\x00\xfe\xff", "is UTF-32: save it as UTF-8"},
	{"\xff\xfe", "is UTF-16: save it as UTF-8"},
	{"\xfe\xff", "is UTF-16: save it as UTF-8"},
	{"PK\x03\x04", "is a ZIP archive or a workbook, not text"},
	{"PK\x05\x06", "is an empty ZIP archive, not text"},
	{"\x1f\x8b", "is compressed with gzip, not text"},
	{"BZh91AY&", "is compressed with bzip2, not text"},
	{"\xfd7zXZ", "is compressed with xz, not text"},
	{"\x28\xb5\x2f\xfd", "is compressed with zstd, not text"},
	{"7z\xbc\xaf\x27\x1c", "is a 7z archive, not text"},
	{"%PDF-", "is a PDF, not text"},
	{"\xd0\xcf\x11\xe0", "is an old Office document, not text"},
}

// NotText says what a file is by its first [HeadSize] bytes; nil when it may be text in UTF-8, or in an older
// encoding that agrees with it on ASCII.
func NotText(head []byte) error {
	for _, b := range binaries {
		if bytes.HasPrefix(head, []byte(b.magic)) {
			return errors.New(b.is)
		}
	}
	if len(head) < 4 {
		return nil
	}
	nul := [4]bool{head[0] == 0, head[1] == 0, head[2] == 0, head[3] == 0}
	switch nul {
	case [4]bool{false, true, false, true}, [4]bool{true, false, true, false}:
		return errors.New("is UTF-16 without a byte order mark: save it as UTF-8")
	}
	return nil
}

// Nul says where a text holds a NUL byte, counted from 1.
func Nul(position int64) error { return fmt.Errorf("holds a NUL byte at position %d", position) }

// ErrCtrlZ says that a text ends with DOS's mark of the end of a file.
var ErrCtrlZ = errors.New("ends with Ctrl-Z (0x1A), the end-of-file mark of DOS: remove it")

// Text names what a program would not see in a text, and which it must not hold; nil when it holds no such thing.
func Text(text []byte) error {
	if bytes.HasPrefix(text, []byte(ByteOrderMark)) {
		return errors.New("begins with a UTF-8 byte order mark: save it without one")
	}
	if err := NotText(text); err != nil {
		return err
	}
	if at := bytes.IndexByte(text, 0); at >= 0 {
		return Nul(int64(at) + 1)
	}
	if at := bytes.IndexByte(text, 0x1a); at >= 0 {
		if len(bytes.Trim(text[at:], "\x1a\r\n")) == 0 {
			return ErrCtrlZ
		}
		return fmt.Errorf("holds Ctrl-Z (0x1A) at position %d", at+1)
	}
	return nil
}
