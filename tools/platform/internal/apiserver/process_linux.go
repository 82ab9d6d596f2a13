package apiserver

import "syscall"

// endingWithUs starts a process in a group of its own that the kernel kills when the thread that started it ends.
func endingWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
