package stores

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack starts writing to disk, so that the sync at the end has little to wait for. It ignores errors:
// the sync reports them.
func writeBack(file *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(file.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}
