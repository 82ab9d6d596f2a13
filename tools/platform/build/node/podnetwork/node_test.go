package main

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestCNIConfigHasThePodsRange(t *testing.T) {
	t.Parallel()
	b, err := cniConfig("10.244.3.0/24")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		CNIVersion string
		Plugins    []struct {
			Type string
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	if config.CNIVersion == "" || len(config.Plugins) != 2 || config.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.244.3.0/24" {
		t.Errorf("got %s", b)
	}
}

func TestInternalIPIsTheNodesIPv4Address(t *testing.T) {
	t.Parallel()
	var node corev1.Node
	if ip := internalIP(&node); ip != nil {
		t.Errorf("a node without addresses has %s", ip)
	}
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "worker"},
		{Type: corev1.NodeExternalIP, Address: "192.0.2.1"},
		{Type: corev1.NodeInternalIP, Address: "fc00::2"},
		{Type: corev1.NodeInternalIP, Address: "172.18.0.3"},
	}
	if ip := internalIP(&node); ip.String() != "172.18.0.3" {
		t.Errorf("got %s", ip)
	}
}
