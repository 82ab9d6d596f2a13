// Package apiserver runs an etcd and a Kubernetes API server on loopback, and nothing else: no node, no controller, no
// operator. It is for what only talks to the API.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/authority"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

const (
	loopback = "127.0.0.1"
	// answerAtMost is how long the API server may take until it answers: one or two seconds on a machine that has
	// nothing else to do.
	answerAtMost = 2 * time.Minute
)

// Server is an API server to be.
type Server struct {
	// Dir is its folder, which is made and goes with it. Its path must leave room for the name of a socket.
	Dir string
	// Etcd and APIServer are the programs.
	Etcd, APIServer string

	processes []*process
}

// Kubeconfig is a file that reaches the API server as its administrator.
func (s *Server) Kubeconfig() string { return filepath.Join(s.Dir, "kubeconfig") }

// Start makes it run, and returns when it answers. Its logs go to the step's. Call Stop also where Start fails.
func (s *Server) Start(ctx context.Context, step *progress.Step) error {
	// A run that was killed leaves its folder.
	if err := errors.Join(os.RemoveAll(s.Dir), os.MkdirAll(s.Dir, 0o700)); err != nil {
		return err
	}
	port, release, err := reservePort()
	if err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	defer release()
	config, err := s.writeFiles(port)
	if err != nil {
		return err
	}
	if err := s.run(step, s.Etcd, s.etcdArguments()...); err != nil {
		return err
	}
	if err := s.run(step, s.APIServer, s.arguments(port)...); err != nil {
		return err
	}
	return s.await(ctx, config)
}

// Stop ends it and removes what there is of it. Nothing in it is worth being written to the end.
func (s *Server) Stop() error {
	for _, p := range s.processes {
		p.kill()
	}
	s.processes = nil
	return os.RemoveAll(s.Dir)
}

func (s *Server) run(step *progress.Step, program string, args ...string) error {
	p, err := start(step.Log, program, args...)
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	return nil
}

// writeFiles makes up the keys and certificates and the kubeconfig.
func (s *Server) writeFiles(port int) (*rest.Config, error) {
	ca, err := authority.New("pgplatform")
	if err != nil {
		return nil, err
	}
	server, err := ca.Server(loopback, "localhost")
	if err != nil {
		return nil, err
	}
	admin, err := ca.Client("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	accounts, err := authority.SigningKey()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		caFile: ca.Certificate(), certificateFile: server.Certificate, keyFile: server.Key, accountsFile: accounts,
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}

	const name = "pgplatform-apiserver"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   "https://" + net.JoinHostPort(loopback, strconv.Itoa(port)),
		CertificateAuthorityData: ca.Certificate(),
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: admin.Certificate, ClientKeyData: admin.Key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, s.Kubeconfig()); err != nil {
		return nil, err
	}
	return clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
}

// await waits until the API server is ready, or one of the two processes ends.
func (s *Server) await(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerAtMost, fmt.Errorf("it does not answer after %s", answerAtMost))
	defer cancel()
	for {
		err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		if err == nil {
			return nil
		}
		for _, p := range s.processes {
			if p.ended() {
				return fmt.Errorf("%s ended as it started", p.name)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
