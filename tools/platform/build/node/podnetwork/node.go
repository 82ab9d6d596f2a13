package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
)

const cniFile = "/etc/cni/net.d/10-podnetwork.conflist"

// routeOwner marks our routes, so that those to nodes that are gone can be told from others' (rt_protos: unused).
const routeOwner = 113

// Node is the node that this process runs on.
type Node struct {
	Name      string
	PodSubnet string // the whole cluster's pods: 10.244.0.0/16
}

// Connect makes this node's network fit the nodes that there are. It can be called again and again.
func (n Node) Connect(ctx context.Context, all []*corev1.Node) error {
	var errs []error
	wanted := map[string]net.IP{} // pods' range -> node's address
	for _, other := range all {
		switch {
		case other.Spec.PodCIDR == "":
		case other.Name == n.Name:
			errs = append(errs, writeCNI(other.Spec.PodCIDR))
		default:
			if ip := internalIP(other); ip != nil {
				wanted[other.Spec.PodCIDR] = ip
			}
		}
	}
	return errors.Join(append(errs, route(wanted), n.masquerade(ctx))...)
}

func internalIP(n *corev1.Node) net.IP {
	for _, a := range n.Status.Addresses {
		if ip := net.ParseIP(a.Address); a.Type == corev1.NodeInternalIP && ip.To4() != nil {
			return ip
		}
	}
	return nil
}

// writeCNI tells containerd how to connect this node's pods.
func writeCNI(podCIDR string) error {
	config, err := cniConfig(podCIDR)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(cniFile); err == nil && bytes.Equal(old, config) {
		return nil
	}
	// The node becomes ready when the file is there: it must be whole.
	tmp := filepath.Join(filepath.Dir(cniFile), ".podnetwork")
	if err := os.WriteFile(tmp, config, 0o644); err != nil {
		return fmt.Errorf("write the CNI configuration: %w", err)
	}
	if err := os.Rename(tmp, cniFile); err != nil {
		return fmt.Errorf("write the CNI configuration: %w", err)
	}
	slog.Info("wrote the CNI configuration", "pods", podCIDR)
	return nil
}

// cniConfig gives each pod a routed link of its own. A bridge would let traffic between pods of one node pass
// by the node's iptables rules, and with it the answers of Services.
func cniConfig(podCIDR string) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "0.4.0",
		"name":       "podnetwork",
		"plugins": []object{
			{
				"type": "ptp", "ipMasq": false,
				"ipam": object{
					"type": "host-local", "dataDir": "/run/cni-ipam-state",
					"ranges": [][]object{{{"subnet": podCIDR}}},
					"routes": []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
}

func route(wanted map[string]net.IP) error {
	for cidr, gateway := range wanted {
		_, dst, err := net.ParseCIDR(cidr)
		if err != nil {
			return fmt.Errorf("range of a node's pods: %w", err)
		}
		r := netlink.Route{Dst: dst, Gw: gateway, Protocol: routeOwner}
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("route %s via %s: %w", cidr, gateway, err)
		}
	}
	ours, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeOwner}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list the routes: %w", err)
	}
	for _, r := range ours {
		if r.Dst == nil || wanted[r.Dst.String()] != nil {
			continue
		}
		if err := netlink.RouteDel(&r); err != nil {
			return fmt.Errorf("remove the route %s: %w", r.Dst, err)
		}
	}
	return nil
}

// masquerade hides pods' addresses from what is outside of the cluster, which has no route to them.
func (n Node) masquerade(ctx context.Context) error {
	rule := []string{"POSTROUTING", "-s", n.PodSubnet, "!", "-d", n.PodSubnet, "-j", "MASQUERADE"}
	if iptables(ctx, append([]string{"-C"}, rule...)) == nil {
		return nil
	}
	return iptables(ctx, append([]string{"-A"}, rule...))
}

func iptables(ctx context.Context, args []string) error {
	out, err := exec.CommandContext(ctx, "iptables", append([]string{"-w", "-t", "nat"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("iptables: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
