package harness

import "syscall"

// dieWithParent has the kernel end a child when the tests are killed, by a timeout for example.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
