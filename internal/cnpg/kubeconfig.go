package cnpg

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The service account of a pod, where Kubernetes mounts it into every container.
const (
	serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path
	serviceAccountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// given is the name of the kubeconfig's user that stands for the Connection's own credentials.
const given = "pgplatform-connection"

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
		if _, err := clientcmd.LoadFromFile(path); err != nil {
			return nil, fmt.Errorf("read the kubeconfig %s: %w", path, unreadable(err))
		}
		rules.Precedence = append(rules.Precedence, path)
	}
	return rules.Load()
}

var (
	yamlLine = regexp.MustCompile(`line \d+`)
	jsonType = regexp.MustCompile(`cannot unmarshal (\w+) into Go struct field \w+\.(\S+) of type (?:\S*\.)?(\S+)`)
)

// unreadable says what is wrong with a kubeconfig, without the words of those who read YAML, JSON and base64: these quote what they
// cannot read, and that may be a token.
func unreadable(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Err
	}
	if m := jsonType.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s holds a JSON or YAML %s, and not a %s", m[2], m[1], m[3])
	}
	if strings.Contains(err.Error(), "illegal base64 data") {
		return errors.New("one of its fields that end in -data is not in base64")
	}
	if line := yamlLine.FindString(err.Error()); line != "" {
		return fmt.Errorf("it is no YAML at or near %s", line)
	}
	return errors.New("it is no kubeconfig in YAML or JSON")
}

// withoutUserInfo is an error of client-go about a kubeconfig, without the passwords of the addresses that it quotes.
func withoutUserInfo(err error, kubeconfig *clientcmdapi.Config) error {
	text := err.Error()
	for _, cluster := range kubeconfig.Clusters {
		if secret := userInfo(cluster.ProxyURL); secret != "" {
			text = strings.ReplaceAll(text, secret+"@", hidden+"@")
		}
	}
	return errors.New(text)
}

// userInfo is what a URL that need not be a valid one has in front of its host, "" where it has nothing there.
func userInfo(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	return rest[:max(0, strings.LastIndex(rest, "@"))]
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
