package apiserver

import (
	"path/filepath"
	"strconv"
)

// The files in the server's folder.
const (
	caFile          = "ca.crt"
	certificateFile = "server.crt"
	keyFile         = "server.key"
	accountsFile    = "accounts.key"
	etcdSocket      = "etcd.sock"
)

// etcdArguments make etcd listen on sockets only: no port has to be found for it, and nobody else reaches it.
func (s *Server) etcdArguments() []string {
	return []string{
		"--data-dir=" + filepath.Join(s.Dir, "etcd"),
		"--listen-client-urls=unix://" + filepath.Join(s.Dir, etcdSocket),
		"--listen-peer-urls=unix://" + filepath.Join(s.Dir, "peer.sock"),
		// It wants something to tell other members, of which there are none.
		"--advertise-client-urls=http://localhost:1",
		// The data goes with the process.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (s *Server) arguments(port int) []string {
	return []string{
		"--etcd-servers=unix://" + filepath.Join(s.Dir, etcdSocket),
		"--bind-address=" + loopback,
		"--secure-port=" + strconv.Itoa(port),
		// reservePort has it, too.
		"--permit-port-sharing",
		// A machine without a network has no address to tell others, of whom there are none.
		"--advertise-address=" + loopback,
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + filepath.Join(s.Dir, certificateFile),
		"--tls-private-key-file=" + filepath.Join(s.Dir, keyFile),
		"--client-ca-file=" + filepath.Join(s.Dir, caFile),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + filepath.Join(s.Dir, accountsFile),
		"--service-account-signing-key-file=" + filepath.Join(s.Dir, accountsFile),
		"--service-cluster-ip-range=10.0.0.0/24",
	}
}
