package gobuild

import (
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// The binaries of the Kubernetes nodes and of the control plane.
var (
	Kubeadm           = kubernetes("kubeadm")
	Kubelet           = kubernetes("kubelet")
	Kubectl           = kubernetes("kubectl")
	APIServer         = kubernetes("kube-apiserver")
	ControllerManager = kubernetes("kube-controller-manager")
	Scheduler         = kubernetes("kube-scheduler")
	KubeProxy         = kubernetes("kube-proxy")

	Etcd    = Target{Module: "etcd", Package: "go.etcd.io/etcd/server/v3", Name: "etcd"}
	CoreDNS = Target{Module: "coredns", Package: "github.com/coredns/coredns", Name: "coredns"}

	LocalPathProvisioner = Target{
		Module: "local-path-provisioner", Package: "github.com/rancher/local-path-provisioner",
		Name: "local-path-provisioner",
	}

	// Pause, PodNetwork and LoopVolumes are our own programs.
	Pause       = Target{Module: "node", Package: "./pause", Name: "pause"}
	PodNetwork  = Target{Module: "node", Package: "./podnetwork", Name: "podnetwork"}
	LoopVolumes = Target{Module: "volumes", Package: "./loopvolumes", Name: "loopvolumes", OS: "linux"}
)

// What runs in the cluster and beside it.
var (
	// CNPGManager is the CloudNativePG operator, which is also the instance manager in its pods.
	CNPGManager = Target{
		Module: "kubernetes", Package: "github.com/cloudnative-pg/cloudnative-pg/cmd/manager", Name: "manager",
	}
	// BarmanCloudPlugin is the operator's plugin for backups, and its sidecar in database pods.
	BarmanCloudPlugin = Target{
		Module: "plugin", Package: "github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager", Name: "plugin-barman-cloud",
	}
	VersityGW = Target{
		Module: "versitygw", Package: "github.com/versity/versitygw/cmd/versitygw", Name: "versitygw",
		LDFlags: []string{"-X main.Version=" + versions.VersityGW},
	}
	// OpenTofu stands in where there is no Terraform CLI.
	OpenTofu = Target{Module: "opentofu", Package: "github.com/opentofu/opentofu/cmd/tofu", Name: "tofu"}
	// OldestOpenTofu is of the oldest minor version that the provider is for.
	OldestOpenTofu = Target{Module: "../oldest-cli", Package: "github.com/opentofu/opentofu/cmd/tofu", Name: "tofu-oldest"}
)

// kubernetes is one of the commands of k8s.io/kubernetes, which take their version from the linker.
func kubernetes(name string) Target {
	major, minor, _ := strings.Cut(strings.TrimPrefix(versions.Kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	return Target{
		Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/" + name, Name: name,
		LDFlags: []string{
			"-X k8s.io/component-base/version.gitVersion=" + versions.Kubernetes,
			"-X k8s.io/component-base/version.gitMajor=" + major,
			"-X k8s.io/component-base/version.gitMinor=" + minor,
			"-X k8s.io/client-go/pkg/version.gitVersion=" + versions.Kubernetes,
		},
	}
}
