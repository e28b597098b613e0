//go:build unix

package stores

import (
	"os"
	"syscall"
)

// lock takes the file for this process until it is closed. A file system without locks grants it.
func lock(file *os.File) bool {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return err != syscall.EWOULDBLOCK
}
