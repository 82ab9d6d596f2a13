package apiserver

import (
	"errors"

	"golang.org/x/sys/unix"
)

// reservePort finds a free port on loopback and keeps it for those who share ports, until release is called: no other
// program takes it before the API server has it. Nothing is accepted on it here.
func reservePort() (port int, release func(), err error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, nil, err
	}
	release = func() { _ = unix.Close(socket) }
	unix.CloseOnExec(socket)
	err = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var bound unix.Sockaddr
	if err == nil {
		bound, err = unix.Getsockname(socket)
	}
	address, ok := bound.(*unix.SockaddrInet4)
	if err == nil && !ok {
		err = errors.New("the socket has no IPv4 address")
	}
	if err != nil {
		release()
		return 0, nil, err
	}
	return address.Port, release, nil
}
