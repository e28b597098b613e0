package harness

import "syscall"

// dieWithParent makes the kernel kill a child if the tests are killed, for example by a timeout.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
