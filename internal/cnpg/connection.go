package cnpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Connection says how to reach a Kubernetes API server. Its fields carry the meaning that the attributes of the same
// names have in the hashicorp/kubernetes provider; empty fields are left to the kubeconfig, or, where that is missing
// too, to the service account of the pod that the process runs in.
type Connection struct {
	Host                 string
	Username             string
	Password             string
	Token                string
	Insecure             bool
	TLSServerName        string
	ClientCertificate    string // PEM
	ClientKey            string // PEM
	ClusterCACertificate string // PEM
	ConfigPaths          []string
	Context              string
	AuthInfo             string
	Cluster              string
	ProxyURL             string
	Exec                 *ExecCredential
}

// ExecCredential is a command that prints a client-go ExecCredential.
type ExecCredential struct {
	APIVersion string
	Command    string
	Args       []string
	Env        map[string]string
}

// ConnectionError is a Connection that cannot be used; Attribute names the setting at fault ("" where none is).
type ConnectionError struct {
	Attribute string
	Err       error
}

func (e *ConnectionError) Error() string { return e.Err.Error() }

func (e *ConnectionError) Unwrap() error { return e.Err }

// RESTConfig resolves the connection to a client configuration. It reads files but makes no network call.
// Errors are [ConnectionError].
func (c Connection) RESTConfig() (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{}
	for _, p := range c.ConfigPaths {
		path, err := expandHome(p)
		if err != nil {
			return nil, &ConnectionError{Attribute: "config_path", Err: err}
		}
		if _, err := os.Stat(path); err != nil {
			return nil, &ConnectionError{Attribute: "config_path", Err: fmt.Errorf("read the kubeconfig: %w", err)}
		}
		rules.Precedence = append(rules.Precedence, path)
	}

	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, c.overrides()).ClientConfig()
	if err != nil {
		attribute := "host"
		switch {
		case c.Context != "":
			attribute = "config_context"
		case len(c.ConfigPaths) > 0:
			attribute = "config_path"
		}
		if clientcmd.IsEmptyConfig(err) {
			err = errors.New("no Kubernetes API server is configured: set config_path (KUBE_CONFIG_PATH) or host (KUBE_HOST)")
		}
		return nil, &ConnectionError{Attribute: attribute, Err: err}
	}
	// Terraform's own parallelism is the limit; client-side throttling would only add waits to it.
	config.QPS = -1
	return config, nil
}

func (c Connection) overrides() *clientcmd.ConfigOverrides {
	o := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	o.Context.AuthInfo = c.AuthInfo
	o.Context.Cluster = c.Cluster

	o.ClusterInfo.Server = c.Host
	if c.Host != "" && !strings.Contains(c.Host, "://") {
		o.ClusterInfo.Server = "https://" + c.Host
	}
	o.ClusterInfo.InsecureSkipTLSVerify = c.Insecure
	o.ClusterInfo.TLSServerName = c.TLSServerName
	o.ClusterInfo.CertificateAuthorityData = []byte(c.ClusterCACertificate)
	o.ClusterInfo.ProxyURL = c.ProxyURL

	o.AuthInfo.Username = c.Username
	o.AuthInfo.Password = c.Password
	o.AuthInfo.Token = c.Token
	o.AuthInfo.ClientCertificateData = []byte(c.ClientCertificate)
	o.AuthInfo.ClientKeyData = []byte(c.ClientKey)
	if c.Exec != nil {
		o.AuthInfo.Exec = &clientcmdapi.ExecConfig{
			APIVersion:      c.Exec.APIVersion,
			Command:         c.Exec.Command,
			Args:            c.Exec.Args,
			InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
		for k, v := range c.Exec.Env {
			o.AuthInfo.Exec.Env = append(o.AuthInfo.Exec.Env, clientcmdapi.ExecEnvVar{Name: k, Value: v})
		}
	}
	return o
}

func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("expand %q: %w", path, err)
	}
	return filepath.Join(home, rest), nil
}
