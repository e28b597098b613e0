package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFileResult_rows(t *testing.T) {
	for count, want := range map[int64]string{0: "0 rows", 1: "1 row", 2: "2 rows"} {
		require.Equal(t, want, FileResult{Rows: &count}.rows())
	}
	require.Equal(t, "rows not counted", FileResult{}.rows())
}
