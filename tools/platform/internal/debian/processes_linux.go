package debian

import "syscall"

// ownProcesses puts a command and all that it starts into a process namespace, which ends with the thread that
// starts the command, and their mounts into a mount namespace, which ends with the last of them.
func ownProcesses() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
}
