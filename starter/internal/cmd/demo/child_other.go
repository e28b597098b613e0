//go:build !linux

package demo

import "syscall"

// childAttributes are the defaults: only Linux can end a program with its parent.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
