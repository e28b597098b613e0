package stores

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack has the disk begin with what was just written, so that the sync at the end has little
// left to wait for. What it cannot do, or would fail at, the sync does, and tells of.
func writeBack(file *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(file.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}
