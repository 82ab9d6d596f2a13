package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

const (
	hostLink  = "pgplatform0"
	innerLink = "pgplatform1"
	prefix    = "/30"
	hostSide  = "10.213.77.1"
)

// connect joins the network namespace of the process pid to the host by a pair of links. No route leads out of
// it: nothing in it reaches the world.
func connect(pid int) error {
	if err := addressesFree(); err != nil {
		return err
	}
	pair := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: hostLink},
		PeerName:      innerLink,
		PeerNamespace: netlink.NsPid(pid),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("link the engine's network to the host: %w", err)
	}
	host, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer host.Close()
	if err := bringUp(host, hostLink, hostSide+prefix); err != nil {
		return err
	}

	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("find the engine's network namespace: %w", err)
	}
	defer ns.Close()
	inner, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("enter the engine's network namespace: %w", err)
	}
	defer inner.Close()
	if err := bringUp(inner, innerLink, Address+prefix); err != nil {
		return err
	}
	return bringUp(inner, "lo", "")
}

func bringUp(h *netlink.Handle, name, address string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", name, err)
	}
	if address != "" {
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		if err := h.AddrAdd(link, a); err != nil {
			return fmt.Errorf("give %s to %s: %w", address, name, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

// addressesFree refuses to take addresses that the machine uses for something else.
func addressesFree() error {
	_, ours, err := net.ParseCIDR(Address + prefix)
	if err != nil {
		return err
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list the machine's addresses: %w", err)
	}
	for _, a := range addresses {
		if a.Contains(ours.IP) || ours.Contains(a.IP) {
			return fmt.Errorf("the machine has the address %s (%s), which the platform needs for itself", a.IPNet, a.Label)
		}
	}
	return nil
}

// disconnect waits until the link is gone, which the kernel removes with the namespace it leads into.
func disconnect(ctx context.Context) error {
	err := poll(ctx, 10*time.Second, func() (bool, error) {
		_, err := netlink.LinkByName(hostLink)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return true, nil
		}
		return false, err
	})
	if errors.Is(err, errNotYet) {
		return fmt.Errorf("the interface %s is there, but not from this state folder: another platform seems to run on this machine", hostLink)
	}
	if err != nil {
		return fmt.Errorf("look for the interface %s: %w", hostLink, err)
	}
	return nil
}
