package cnpg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Connection says how to reach a Kubernetes API server. Its fields carry the meaning that the attributes of the same
// names have in the hashicorp/kubernetes provider; empty fields are left to the kubeconfig, or, where neither that nor a
// host is given, to the service account of the pod that the process runs in.
type Connection struct {
	Host                 string
	Username             string
	Password             string
	Token                string
	Insecure             *bool // nil: as the kubeconfig has it
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

// The service account of a pod, where Kubernetes mounts it into every container.
const (
	serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path
	serviceAccountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// given is the name of the kubeconfig's user that stands for the Connection's own credentials.
const given = "pgplatform-connection"

// RESTConfig resolves the connection to a client configuration. It reads files and runs the command that prints
// credentials, where there is one, but makes no network call. Errors are [ConnectionError].
func (c Connection) RESTConfig(ctx context.Context) (*rest.Config, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	kubeconfig, err := c.kubeconfig()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*kubeconfig, c.Context, c.overrides(), nil).ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			err = errors.New("no Kubernetes API server is configured: set config_path (KUBE_CONFIG_PATH) or host (KUBE_HOST)")
		}
		return nil, &ConnectionError{Attribute: c.source(), Err: err}
	}
	if c.Insecure != nil {
		config.Insecure = *c.Insecure // an override can only turn it on
	}
	// Terraform's own parallelism is the limit; client-side throttling would only add waits to it.
	config.QPS = -1
	if config.ExecProvider != nil {
		attribute := "exec"
		if c.Exec == nil {
			attribute = c.source()
		}
		if err := useExec(ctx, config, attribute); err != nil {
			return nil, &ConnectionError{Attribute: attribute, Err: err}
		}
	}
	if _, err := rest.TLSConfigFor(config); err != nil { // certificates that a kubeconfig holds or names
		return nil, &ConnectionError{Attribute: c.source(), Err: err}
	}
	return config, nil
}

// source is the setting that says which API server.
func (c Connection) source() string {
	switch len(c.ConfigPaths) {
	case 0:
		return "host"
	case 1:
		return "config_path"
	}
	return "config_paths"
}

// Check looks at the connection's values alone: no file is read. Its errors are [ConnectionError], and hold no secrets.
func (c Connection) Check() error {
	refuse := func(attribute, format string, args ...any) error {
		return &ConnectionError{Attribute: attribute, Err: fmt.Errorf(format, args...)}
	}
	certificate, basic := c.ClientCertificate != "" || c.ClientKey != "", c.Username != "" || c.Password != ""
	switch {
	case c.Token != "" && basic:
		return refuse("token", "a token and a username with a password are two ways to authenticate; only one can be used")
	case c.Exec != nil && (c.Token != "" || basic || certificate):
		return refuse("exec", "beside a token, a password or a client certificate the command would never be run")
	case c.Insecure != nil && *c.Insecure && c.ClusterCACertificate != "":
		return refuse("insecure", "a server whose certificate is not looked at needs no cluster_ca_certificate")
	}
	if c.Host != "" {
		if u, err := url.Parse(withScheme(c.Host)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return refuse("host", "must be of the form https://host:port") // the value may hold a password
		}
	}
	if c.ProxyURL != "" {
		u, err := url.Parse(c.ProxyURL)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			return refuse("proxy_url", "must be of the form http://host:port, https://host:port or socks5://host:port")
		}
	}
	if c.ClusterCACertificate != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(c.ClusterCACertificate)) {
		return refuse("cluster_ca_certificate", "holds no certificate in PEM form%s", ofBase64(c.ClusterCACertificate))
	}
	if !certificate {
		return nil
	}
	if block, _ := pem.Decode([]byte(c.ClientCertificate)); block == nil {
		return refuse("client_certificate", "holds no certificate in PEM form%s", ofBase64(c.ClientCertificate))
	}
	if block, _ := pem.Decode([]byte(c.ClientKey)); block == nil {
		return refuse("client_key", "holds no private key in PEM form%s", ofBase64(c.ClientKey))
	}
	if _, err := tls.X509KeyPair([]byte(c.ClientCertificate), []byte(c.ClientKey)); err != nil {
		return refuse("client_certificate", "%w", err)
	}
	return nil
}

// ofBase64 is what to do about a value that is taken from a kubeconfig as it stands there.
func ofBase64(value string) string {
	if strings.HasPrefix(value, "LS0t") { // "---"
		return "; it is still in base64: put base64decode() around it"
	}
	return ""
}

// kubeconfig is what the overrides are put over: the files that are named, merged; or the pod's service account; or
// nothing. Credentials of the connection's own take the place of any user in it, since two ways to authenticate at once
// are refused by client-go or by the server.
func (c Connection) kubeconfig() (*clientcmdapi.Config, error) {
	kubeconfig := clientcmdapi.NewConfig()
	switch {
	case len(c.ConfigPaths) > 0:
		var err error
		if kubeconfig, err = c.load(); err != nil {
			return nil, &ConnectionError{Attribute: c.source(), Err: err}
		}
	case c.Host == "":
		kubeconfig = serviceAccount()
	}
	for _, named := range []struct {
		attribute, kind, name string
		known                 []string
	}{
		{"config_context", "context", c.Context, slices.Sorted(maps.Keys(kubeconfig.Contexts))},
		{"config_context_auth_info", "user", c.AuthInfo, slices.Sorted(maps.Keys(kubeconfig.AuthInfos))},
		{"config_context_cluster", "cluster", c.Cluster, slices.Sorted(maps.Keys(kubeconfig.Clusters))},
	} {
		if named.name != "" && !slices.Contains(named.known, named.name) {
			return nil, &ConnectionError{Attribute: named.attribute, Err: fmt.Errorf("%s %q does not exist; the kubeconfig has %q", named.kind, named.name, named.known)}
		}
	}
	if len(kubeconfig.Contexts) > 0 && kubeconfig.CurrentContext == "" && c.Context == "" && c.Cluster == "" && c.Host == "" {
		return nil, &ConnectionError{Attribute: "config_context", Err: fmt.Errorf("the kubeconfig has no current context; its contexts are %q", slices.Sorted(maps.Keys(kubeconfig.Contexts)))}
	}
	if user := c.user(); user != nil {
		kubeconfig.AuthInfos[given] = user
	}
	return kubeconfig, nil
}

func (c Connection) load() (*clientcmdapi.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{}
	for _, p := range c.ConfigPaths {
		path, err := expandHome(p)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil { // client-go passes over files that are not there
			return nil, fmt.Errorf("read the kubeconfig: %w", err)
		}
		rules.Precedence = append(rules.Precedence, path)
	}
	return rules.Load()
}

// serviceAccount is the kubeconfig of a process in a pod; empty elsewhere. The token's file is named, not read: Kubernetes
// writes a new token into it before the old one expires.
func serviceAccount() *clientcmdapi.Config {
	kubeconfig := clientcmdapi.NewConfig()
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if _, err := os.Stat(serviceAccountToken); err != nil || host == "" || port == "" {
		return kubeconfig
	}
	kubeconfig.Clusters["in-cluster"] = &clientcmdapi.Cluster{Server: "https://" + net.JoinHostPort(host, port), CertificateAuthority: serviceAccountCA}
	kubeconfig.AuthInfos["in-cluster"] = &clientcmdapi.AuthInfo{TokenFile: serviceAccountToken}
	kubeconfig.Contexts["in-cluster"] = &clientcmdapi.Context{Cluster: "in-cluster", AuthInfo: "in-cluster"}
	kubeconfig.CurrentContext = "in-cluster"
	return kubeconfig
}

// user is the connection's own credentials; nil where it has none.
func (c Connection) user() *clientcmdapi.AuthInfo {
	if c.Username == "" && c.Password == "" && c.Token == "" && c.ClientCertificate == "" && c.Exec == nil {
		return nil
	}
	user := &clientcmdapi.AuthInfo{
		Username:              c.Username,
		Password:              c.Password,
		Token:                 c.Token,
		ClientCertificateData: []byte(c.ClientCertificate),
		ClientKeyData:         []byte(c.ClientKey),
	}
	if c.Exec != nil {
		user.Exec = &clientcmdapi.ExecConfig{
			APIVersion:      c.Exec.APIVersion,
			Command:         c.Exec.Command,
			Args:            c.Exec.Args,
			InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
		for _, name := range slices.Sorted(maps.Keys(c.Exec.Env)) {
			user.Exec.Env = append(user.Exec.Env, clientcmdapi.ExecEnvVar{Name: name, Value: c.Exec.Env[name]})
		}
	}
	return user
}

func (c Connection) overrides() *clientcmd.ConfigOverrides {
	o := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	o.Context.AuthInfo = c.AuthInfo
	if c.user() != nil {
		o.Context.AuthInfo = given
	}
	o.Context.Cluster = c.Cluster

	o.ClusterInfo.Server = withScheme(c.Host)
	o.ClusterInfo.InsecureSkipTLSVerify = c.Insecure != nil && *c.Insecure
	o.ClusterInfo.TLSServerName = c.TLSServerName
	o.ClusterInfo.CertificateAuthorityData = []byte(c.ClusterCACertificate)
	o.ClusterInfo.ProxyURL = c.ProxyURL
	return o
}

func withScheme(host string) string {
	if host == "" || strings.Contains(host, "://") {
		return host
	}
	return "https://" + host
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
