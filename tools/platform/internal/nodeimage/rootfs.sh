# What the RUN lines of kind's images/base/Dockerfile do to the root file system "$1".
set -eu
root=$1

# Services that have no place in a container, and the kernel's log, which is not the node's.
units=$root/lib/systemd/system
rm -f "$units"/sysinit.target.wants/systemd-tmpfiles-setup.service \
  "$units"/multi-user.target.wants/* "$root"/etc/systemd/system/*.wants/* \
  "$units"/local-fs.target.wants/* "$units"/basic.target.wants/* \
  "$units"/sockets.target.wants/*udev* "$units"/sockets.target.wants/*initctl*
echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
ln -sf /usr/lib/systemd/systemd "$root/sbin/init"

# The node is privileged: applying Debian's settings would change fs.* of the machine.
rm -f "$root"/usr/lib/sysctl.d/*.conf "$root/etc/sysctl.d/99-sysctl.conf"

# Every container's product_uuid and product_name are the node's, by a hook that kind brings.
mkdir -p "$root/etc/containerd"
chroot "$root" ctr oci spec | chroot "$root" jq \
  '.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
  >"$root/etc/containerd/cri-base.json"

: >"$root/etc/machine-id"
