//go:build unix

package stores

import (
	"os"
	"syscall"
)

// lock locks the file until it is closed, and reports whether it could. It can on a file system without locks.
func lock(file *os.File) bool {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return err != syscall.EWOULDBLOCK
}
