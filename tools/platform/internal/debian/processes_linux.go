package debian

import "syscall"

// ownProcesses puts a command and all that it starts into a process namespace, which ends with the thread that
// starts the command.
func ownProcesses() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
}
