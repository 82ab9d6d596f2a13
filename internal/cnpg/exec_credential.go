package cnpg

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	"k8s.io/client-go/pkg/apis/clientauthentication/install"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	clientauthv1beta1 "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// execTimeout is how long the command may take: it may ask a server, but not a person.
const execTimeout = time.Minute

// useExec makes a client of config use the credentials that its command prints. client-go could run the command too, but
// sends what it writes to stderr to the process's own, which Terraform logs as it stands, and no error says why the
// command failed. Certificates are left to client-go, once the command is known to work: it replaces connections with them.
//
// attribute is the setting that names the command, for errors of later runs.
func useExec(ctx context.Context, config *rest.Config, attribute string) error {
	source := &execSource{command: config.ExecProvider, now: time.Now}
	if source.command.ProvideClusterInfo {
		cluster, err := rest.ConfigToExecCluster(config)
		if err != nil {
			return err
		}
		source.cluster = cluster
	}
	printed, err := source.get(ctx)
	if err != nil {
		return err
	}
	if printed.ClientCertificateData == "" {
		config.ExecProvider = nil
		config.Wrap(func(base http.RoundTripper) http.RoundTripper {
			return &execTransport{source: source, attribute: attribute, base: base}
		})
	}
	return nil
}

// execSource are the credentials that a command prints, kept until they expire or the server refuses them.
type execSource struct {
	command *clientcmdapi.ExecConfig
	cluster *clientauthentication.Cluster
	now     func() time.Time

	mu   sync.Mutex
	kept *clientauthentication.ExecCredentialStatus
}

func (s *execSource) get(ctx context.Context) (*clientauthentication.ExecCredentialStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil && (s.kept.ExpirationTimestamp == nil || s.now().Before(s.kept.ExpirationTimestamp.Time)) {
		return s.kept, nil
	}
	printed, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	s.kept = printed
	return printed, nil
}

// forget drops credentials that the server has refused.
func (s *execSource) forget(refused *clientauthentication.ExecCredentialStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == refused {
		s.kept = nil
	}
}

var execCodecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return serializer.NewCodecFactory(scheme)
}()

func (s *execSource) run(ctx context.Context) (*clientauthentication.ExecCredentialStatus, error) {
	version, err := schema.ParseGroupVersion(s.command.APIVersion)
	if err != nil || version != clientauthv1.SchemeGroupVersion && version != clientauthv1beta1.SchemeGroupVersion {
		return nil, fmt.Errorf("api_version %q is neither %s nor %s", s.command.APIVersion, clientauthv1.SchemeGroupVersion, clientauthv1beta1.SchemeGroupVersion)
	}
	if s.command.InteractiveMode == clientcmdapi.AlwaysExecInteractiveMode {
		return nil, fmt.Errorf("the command %q wants to ask a person, which it cannot under Terraform (interactiveMode: Always)", s.command.Command)
	}
	info, err := runtime.Encode(execCodecs.LegacyCodec(version), &clientauthentication.ExecCredential{
		Spec: clientauthentication.ExecCredentialSpec{Cluster: s.cluster},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, s.command.Command, s.command.Args...) //nolint:gosec // it is the user's own configuration
	command.Env = append(os.Environ(), "KUBERNETES_EXEC_INFO="+string(info))
	for _, variable := range s.command.Env {
		command.Env = append(command.Env, variable.Name+"="+variable.Value)
	}
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = time.Second // what it leaves running may hold its output open
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("the command %q failed: %w%s", s.command.Command, err, s.quote(stderr.String(), stdout.String()))
	}
	printed := &clientauthentication.ExecCredential{}
	_, kind, err := execCodecs.UniversalDecoder(version).Decode(stdout.Bytes(), nil, printed)
	switch {
	case err != nil: // the decoder's error may quote what was printed
		return nil, fmt.Errorf("the command %q printed no ExecCredential%s", s.command.Command, s.quote(stderr.String(), stdout.String()))
	case kind.GroupVersion() != version:
		return nil, fmt.Errorf("the command %q printed an ExecCredential of %s, and api_version is %s", s.command.Command, kind.GroupVersion(), version)
	case printed.Status == nil || printed.Status.Token == "" && printed.Status.ClientCertificateData == "":
		return nil, fmt.Errorf("the command %q printed an ExecCredential without token or certificate%s", s.command.Command, s.quote(stderr.String(), stdout.String()))
	}
	return printed.Status, nil
}

// shortestToken is how long a word of what a command printed is at least, if it is a token and not a name.
const shortestToken = 12

// quoted is how much of the end of a command's stderr an error quotes.
const quoted = 2000

// secretName is a variable that by its name holds a secret.
var secretName = regexp.MustCompile(`(?i)key|token|secret|passw|credential`)

// hidden stands where a secret was.
const hidden = "[hidden]"

// quote is what the command wrote to stderr, for an error: without what it printed, which may be the credentials, without the values of
// its own variables, and without those of its arguments and of the environment that hold secrets by their names.
func (s *execSource) quote(stderr, stdout string) string {
	stderr = strings.TrimSpace(stderr)
	if stderr == "" {
		return ""
	}
	hide := func(value string) {
		if len(value) > 3 { // replacing "1" or "yes" would hide the text, not a secret
			stderr = strings.ReplaceAll(stderr, value, hidden)
		}
	}
	for _, variable := range s.command.Env {
		hide(variable.Value)
	}
	for i, arg := range s.command.Args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok && i+1 < len(s.command.Args) {
			value = s.command.Args[i+1]
		}
		if strings.HasPrefix(name, "-") && secretName.MatchString(name) {
			hide(value)
		}
	}
	for _, word := range strings.FieldsFunc(stdout, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"',;:{}[]()", r) }) {
		if len(word) >= shortestToken {
			hide(word)
		}
	}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); secretName.MatchString(name) {
			hide(value)
		}
	}
	if len(stderr) > quoted {
		stderr = "…" + stderr[len(stderr)-quoted:]
	}
	return ": " + strings.ToValidUTF8(stderr, "?")
}

// execTransport puts the token that a command prints into requests.
type execTransport struct {
	source    *execSource
	attribute string
	base      http.RoundTripper
}

var _ utilnet.RoundTripperWrapper = (*execTransport)(nil)

// WrappedRoundTripper lets client-go find the TLS configuration.
func (t *execTransport) WrappedRoundTripper() http.RoundTripper { return t.base }

// RoundTrip sends a request. One that is refused is not sent again, but the next one has a new token.
func (t *execTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	printed, err := t.source.get(request.Context())
	if err != nil {
		return nil, &ConnectionError{Attribute: t.attribute, Err: fmt.Errorf("renew the credentials: %w", err)}
	}
	request = utilnet.CloneRequest(request)
	request.Header.Set("Authorization", "Bearer "+printed.Token)
	response, err := t.base.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		t.source.forget(printed)
	}
	return response, err
}
