package provider_test

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// serviceAccount is where Kubernetes puts a pod's credentials.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// inCluster marks the process that sees a service account.
const inCluster = "PGPLATFORM_TEST_IN_CLUSTER"

// In a pod, the service account is used. The files have fixed paths, so the test runs itself once more, in a mount
// namespace of its own, where they are. Nothing else shows this, so that a run of all tests must not do without it.
//
//nolint:paralleltest // the environment is the process's
func TestInCluster(t *testing.T) {
	if os.Getenv(inCluster) != "" {
		inThePod(t)
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestInCluster$", "-test.v")
	command.Env = append(os.Environ(), inCluster+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	output, err := command.CombinedOutput()
	if forbidden := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC); forbidden && os.Getenv(resource.EnvTfAcc) == "" {
		t.Skipf("this machine lets nobody make namespaces: %v", err)
	}
	if err != nil || !strings.Contains(string(output), "--- PASS: TestInCluster/the_service_account") {
		t.Errorf("%v\n%s", err, output)
	}
}

func inThePod(t *testing.T) {
	must(t, syscall.Mount("tmpfs", "/var/run", "tmpfs", 0, ""))
	must(t, os.MkdirAll(serviceAccount, 0o700))
	r := newReach(t)
	must(t, os.WriteFile(filepath.Join(serviceAccount, "token"), []byte("of-the-pod\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(serviceAccount, "ca.crt"), r.server.CA, 0o600))
	address, err := url.Parse(r.server.URL)
	must(t, err)
	enter := func(t *testing.T) {
		t.Helper()
		bare(t)
		r.server.Forget()
		t.Setenv("KUBERNETES_SERVICE_HOST", address.Hostname())
		t.Setenv("KUBERNETES_SERVICE_PORT", address.Port())
	}

	t.Run("the service account", func(t *testing.T) {
		enter(t)
		if diags := planWith(t, ""); diags.HasError() || !authorized("Bearer of-the-pod")(r) {
			t.Errorf("requests %v\n%s", r.server.Requests(), diags)
		}
	})
	t.Run("a token in its place", func(t *testing.T) {
		enter(t)
		if diags := planWith(t, settings{"token": "mine"}.attributes()); diags.HasError() || !authorized("Bearer mine")(r) {
			t.Errorf("requests %v\n%s", r.server.Requests(), diags)
		}
	})
	t.Run("a server name beside it", func(t *testing.T) {
		enter(t)
		diags := planWith(t, settings{"tls_server_name": apitest.TLSServerName}.attributes())
		if diags.HasError() || !r.every(func(request apitest.Request) bool {
			return request.ServerName == apitest.TLSServerName && request.Authorization == "Bearer of-the-pod"
		}) {
			t.Errorf("requests %v\n%s", r.server.Requests(), diags)
		}
	})
	t.Run("a kubeconfig in its place", func(t *testing.T) {
		enter(t)
		if diags := planWith(t, settings{"config_path": r.files["here"]}.attributes()); diags.HasError() || !authorized("Bearer alices")(r) {
			t.Errorf("requests %v\n%s", r.server.Requests(), diags)
		}
	})
	t.Run("a host in its place, which gets no token of the pod", func(t *testing.T) {
		enter(t)
		t.Setenv("KUBERNETES_SERVICE_PORT", "1")
		if diags := planWith(t, r.address().attributes()); diags.HasError() || !authorized("")(r) {
			t.Errorf("requests %v\n%s", r.server.Requests(), diags)
		}
	})
	t.Run("outside of a pod", func(t *testing.T) {
		bare(t)
		if diags := planWith(t, ""); !strings.Contains(diags.String(), "no Kubernetes API server is configured") {
			t.Errorf("%s", diags)
		}
	})
}
