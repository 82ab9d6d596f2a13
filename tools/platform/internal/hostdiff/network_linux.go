package hostdiff

import (
	"context"

	"github.com/vishvananda/netlink"
)

func links(context.Context) ([]string, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, l := range all {
		line := l.Attrs().Name + " " + l.Type() + " " + l.Attrs().OperState.String()
		addresses, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			line += " " + a.IPNet.String()
		}
		out = append(out, line)
	}
	return out, nil
}

func routes(context.Context) ([]string, error) {
	all, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range all {
		out = append(out, r.String())
	}
	return out, nil
}
