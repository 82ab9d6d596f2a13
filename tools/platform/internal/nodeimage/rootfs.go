package nodeimage

import (
	_ "embed"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
)

//go:embed rootfs.sh
var rootFSHook string

// nodeRootFS is the node's system. It is bookworm because later systemds refuse to boot on cgroup v1.
// The packages are those of kind's images/base/Dockerfile, with containerd, runc and the CNI plugins, which
// kind compiles, and without those for network storage.
var nodeRootFS = debian.RootFS{
	Name:  "rootfs-node",
	Suite: "bookworm",
	Include: []string{
		"systemd", "dbus",
		"conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod",
		"libseccomp2", "pigz", "e2fsprogs",
		"bash", "ca-certificates", "curl", "jq", "procps",
		"containerd", "runc", "containernetworking-plugins",
	},
	Hooks: []string{rootFSHook},
}

// netTools is the bottom layer of the images whose programs call iptables or a shell. Its packages are
// only unpacked: there is no dpkg in it.
var netTools = debian.RootFS{
	Name:    "rootfs-nettools",
	Suite:   "bookworm",
	Variant: "extract",
	Include: []string{"iptables", "nftables", "conntrack", "busybox-static"},
}
