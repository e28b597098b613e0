package harness

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// WriteNoise writes a file of random bytes, the same every time. It returns its SHA-256.
func WriteNoise(t testing.TB, path string, size int64) string {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(file, sum), 1<<20)
	_, err = io.CopyN(out, rand.NewChaCha8([32]byte{1}), size)
	require.NoError(t, err)
	require.NoError(t, out.Flush())
	return hex.EncodeToString(sum.Sum(nil))
}

// FileSHA256 is the SHA-256 of a file.
func FileSHA256(t testing.TB, path string) string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	return SHA256(t, file)
}

// SHA256 is the SHA-256 of what a reader holds.
func SHA256(t testing.TB, r io.Reader) string {
	t.Helper()
	sum := sha256.New()
	_, err := io.Copy(sum, r)
	require.NoError(t, err)
	return hex.EncodeToString(sum.Sum(nil))
}
