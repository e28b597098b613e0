//go:build unix

package parstore

import "golang.org/x/sys/unix"

// reserve gives memory outside Go's heap, which would be let grow to twice of what it holds. It
// takes up room only where it was written.
func reserve(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// release gives the room back. The memory stays there, as zeros: a transport may still read what
// it was to send when its request was given up.
func release(memory []byte) { _ = unix.Madvise(memory, unix.MADV_DONTNEED) }
