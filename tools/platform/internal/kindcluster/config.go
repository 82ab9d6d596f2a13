package kindcluster

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// APIServerPort is where the API server answers on the cluster's address.
const APIServerPort = 6443

// published maps what services offer on the node to ports of the cluster's address.
var published = []v1alpha4.PortMapping{
	{ContainerPort: 30566, HostPort: 4566}, // LocalStack
	{ContainerPort: 30707, HostPort: 7070}, // versitygw
	{ContainerPort: 30743, HostPort: 7443}, // versitygw with TLS
}

// kubeletPatch lets kubelets run on machines with cgroup v1.
const kubeletPatch = `kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
`

// initPatch makes kubeadm read the patches in patchDir.
const initPatch = `kind: InitConfiguration
patches:
  directory: ` + patchMount + "\n"

const patchMount = "/kind/kubeadm-patches"

// patches lower what the control plane asks for: as kubeadm has it, it reserves half of a small machine's
// processors, and a highly available database beside others would not be scheduled.
var patches = map[string]string{
	"kube-apiserver+strategic.yaml":          requests("kube-apiserver", "100m"),
	"kube-controller-manager+strategic.yaml": requests("kube-controller-manager", "20m"),
	"kube-scheduler+strategic.yaml":          requests("kube-scheduler", "10m"),
	"etcd+strategic.yaml":                    requests("etcd", "50m"),
	"corednsdeployment+strategic.yaml": `spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: coredns
        resources:
          requests:
            cpu: 20m
`,
}

func requests(container, cpu string) string {
	return fmt.Sprintf(`spec:
  containers:
  - name: %s
    resources:
      requests:
        cpu: %s
`, container, cpu)
}

func (c Cluster) patchDir() string { return filepath.Join(c.Dir, "kubeadm-patches") }

func (c Cluster) config() (*v1alpha4.Cluster, error) {
	if err := os.MkdirAll(c.patchDir(), 0o755); err != nil {
		return nil, fmt.Errorf("write the patches for kubeadm: %w", err)
	}
	for name, patch := range patches {
		if err := os.WriteFile(filepath.Join(c.patchDir(), name), []byte(patch), 0o644); err != nil {
			return nil, fmt.Errorf("write the patches for kubeadm: %w", err)
		}
	}
	ports := make([]v1alpha4.PortMapping, len(published))
	for i, p := range published {
		p.ListenAddress, p.Protocol = c.Address, v1alpha4.PortMappingProtocolTCP
		ports[i] = p
	}
	return &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Networking: v1alpha4.Networking{
			APIServerAddress: c.Address,
			APIServerPort:    APIServerPort,
		},
		Nodes: []v1alpha4.Node{{
			Role:              v1alpha4.ControlPlaneRole,
			ExtraPortMappings: ports,
			ExtraMounts:       []v1alpha4.Mount{{HostPath: c.patchDir(), ContainerPath: patchMount, Readonly: true}},
		}},
		KubeadmConfigPatches: []string{kubeletPatch, initPatch},
	}, nil
}
