package demo

import "syscall"

// childAttributes let the program die with this one, and keep Ctrl-C for this one alone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
