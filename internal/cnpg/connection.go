package cnpg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
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

// String tells where the connection leads, without its secrets.
func (c Connection) String() string {
	return fmt.Sprintf("connection to Kubernetes (host %q, kubeconfigs %q, context %q)", withoutPassword(c.Host), c.ConfigPaths, c.Context)
}

// GoString is String: %#v would print the secrets.
func (c Connection) GoString() string { return c.String() }

// ExecCredential is a command that prints a client-go ExecCredential.
type ExecCredential struct {
	APIVersion string
	Command    string
	Args       []string
	Env        map[string]string
}

// String and GoString keep the values of Env out of anything that prints the command.
func (e ExecCredential) String() string { return e.Command }

// GoString is String.
func (e ExecCredential) GoString() string { return e.String() }

// ConnectionError is a Connection that cannot be used; Attribute names the setting at fault ("" where none is).
type ConnectionError struct {
	Attribute string
	Err       error
}

func (e *ConnectionError) Error() string { return e.Err.Error() }

func (e *ConnectionError) Unwrap() error { return e.Err }

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
		return nil, &ConnectionError{Attribute: c.source(), Err: withoutUserInfo(err, kubeconfig)}
	}
	if _, _, err := rest.DefaultServerUrlFor(config); err != nil { // of a kubeconfig: a host of the configuration was looked at above
		return nil, &ConnectionError{Attribute: c.source(), Err: errors.New("the kubeconfig's server is no address of the form https://host:port")}
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

// withoutPassword is an address as a text may hold it.
func withoutPassword(host string) string {
	u, err := url.Parse(withScheme(host))
	if err != nil {
		return "not a URL"
	}
	return u.Redacted()
}

func withScheme(host string) string {
	if host == "" || strings.Contains(host, "://") {
		return host
	}
	return "https://" + host
}
