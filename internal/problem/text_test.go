package problem

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"text\r\n":               "",
		"\xef\xbbtext":           "",
		"BZhang,PK,%PD":          "",
		"\ufefftext":             "begins with a UTF-8 byte order mark: save it without one",
		"\xff\xfet\x00":          "is UTF-16: save it as UTF-8",
		"t\x00e\x00":             "is UTF-16 without a byte order mark: save it as UTF-8",
		"PK\x03\x04":             "is a ZIP archive or a workbook, not text",
		"text\x00":               "holds a NUL byte at position 5",
		"text\r\n\x1a\x1a\x1a":   "ends with Ctrl-Z (0x1A), the end-of-file mark of DOS: remove it",
		"text\x1atext":           "holds Ctrl-Z (0x1A) at position 5",
		"text\x1a\n\x1ab\x00ext": "holds a NUL byte at position 9",
	} {
		if err := Text([]byte(text)); want == "" {
			assert.NoError(t, err, text)
		} else {
			assert.EqualError(t, err, want, text)
		}
	}
}
