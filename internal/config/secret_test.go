package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a secret must not hold is named, wherever it comes from, and the secret is not repeated.
func TestSecret_read_namesWhatIsNotSeen(t *testing.T) {
	for _, c := range []struct{ name, value, problem string }{
		{"plain", canary, ""},
		{"one letter", "s", ""},
		{"not ASCII", canary + "é€", ""},
		{"Latin-1", canary + "\xe9", ""},
		{"a byte order mark", "\ufeff" + canary, "begins with a UTF-8 byte order mark: save it without one"},
		{"only a byte order mark", "\ufeff", "begins with a UTF-8 byte order mark"},
		{"UTF-16", "\xff\xfec\x00a\x00n\x00", "is UTF-16: save it as UTF-8"},
		{"UTF-16, big-endian", "\xfe\xff\x00c\x00a\x00n", "is UTF-16: save it as UTF-8"},
		{"UTF-16 without a mark", "c\x00a\x00n\x00", "is UTF-16 without a byte order mark: save it as UTF-8"},
		{"UTF-16 without a mark, big-endian", "\x00c\x00a\x00n", "is UTF-16 without a byte order mark"},
		{"UTF-32", "\xff\xfe\x00\x00c\x00\x00\x00", "is UTF-32: save it as UTF-8"},
		{"NUL at the end", canary + "\x00", "holds a NUL byte at position "},
		{"NUL at the beginning", "\x00" + canary, "holds a NUL byte at position 1"},
		{"NUL within", "ab\x00" + canary, "holds a NUL byte at position 3"},
		{"Ctrl-Z", canary + "\x1a", "ends with Ctrl-Z (0x1A), the end-of-file mark of DOS: remove it"},
		{"Ctrl-Z on a line of its own", canary + "\r\n\x1a", "ends with Ctrl-Z (0x1A)"},
		{"Ctrl-Z within", "ab\x1a" + canary, "holds Ctrl-Z (0x1A) at position 3"},
		{"a carriage return within", "ab\r" + canary, "holds a carriage return at position 3"},
		{"two lines", canary + "\n" + canary, "must be a single line"},
		{"two lines of Windows", canary + "\r\n" + canary, "must be a single line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(path, []byte(c.value), 0o600))
			for source, secret := range map[string]Secret{
				"":                            {value: c.value},
				path + " ":                    {file: path},
				"the environment variable S ": {env: "S"},
			} {
				got, err := secret.read("", map[string]string{"S": c.value})
				if c.problem == "" {
					require.NoError(t, err)
					require.Equal(t, c.value, got.Expose())
					continue
				}
				if c.problem == "must be a single line" {
					source = ""
				}
				require.ErrorContains(t, err, source+c.problem)
				assert.NotContains(t, err.Error(), canary)
			}
		})
	}
}

// The line end after a secret in a file belongs to the file; one in a variable belongs to nobody.
func TestSecret_read_lineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, end := range []string{"", "\n", "\r\n", "\r"} {
		require.NoError(t, os.WriteFile(path, []byte(canary+end), 0o600))
		got, err := Secret{file: path}.read("", nil)
		require.NoError(t, err)
		require.Equal(t, canary, got.Expose())
	}
	_, err := Secret{env: "S"}.read("", map[string]string{"S": canary + "\r"})
	require.EqualError(t, err, "the environment variable S ends with a carriage return: it was written on Windows; remove it")
}
