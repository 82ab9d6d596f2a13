package nodeimage

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// Images that the manifests of this package name.
const (
	podNetworkRef    = "localhost/podnetwork:" + versions.Kubernetes
	provisionerRef   = "localhost/local-path-provisioner:" + versions.LocalPathProvisioner
	storageHelperRef = "localhost/local-path-helper:" + versions.LocalPathProvisioner
)

// controlPlane is the images that a cluster needs before it runs anything of ours.
type controlPlane struct {
	archives []image.Archive
	pause    string // reference of the image that holds a pod's namespaces
}

// controlPlane makes the images in the folder work.
func (p parts) controlPlane(ctx context.Context, s *progress.Step, work string) (controlPlane, error) {
	var made controlPlane
	refs, err := p.kubeadmImages(ctx, s)
	if err != nil {
		return made, err
	}
	iptables := p.netToolsLayers("iptables", "iptables-save", "iptables-restore",
		"ip6tables", "ip6tables-save", "ip6tables-restore")
	helper := append(p.netToolsLayers(), image.Files{
		{Dest: "/bin/sh", Link: "busybox"}, {Dest: "/bin/mkdir", Link: "busybox"}, {Dest: "/bin/rm", Link: "busybox"},
	})

	var images []image.Image
	for _, ref := range refs {
		name := path.Base(ref[:strings.LastIndex(ref, ":")])
		var img image.Image
		switch name {
		case "kube-proxy":
			img = p.program(ref, "kube-proxy", "/usr/local/bin/kube-proxy", iptables...)
		case "coredns", "pause":
			img = p.program(ref, name, "/"+name)
		default:
			// kubeadm's static pods call these by name.
			img = p.program(ref, name, "/usr/local/bin/"+name)
		}
		if name == "pause" {
			made.pause = ref
		}
		images = append(images, img)
	}
	images = append(images,
		p.program(podNetworkRef, "podnetwork", "/usr/local/bin/podnetwork", iptables...),
		p.program(provisionerRef, "local-path-provisioner", "/usr/local/bin/local-path-provisioner"),
		image.Image{Ref: storageHelperRef, Layers: helper, Config: v1.Config{
			Env: []string{image.Path}, Cmd: []string{"/bin/sh"},
		}},
	)

	for i, img := range images {
		a := image.Archive{Ref: img.Ref, Path: filepath.Join(work, fmt.Sprintf("image-%d.tar", i))}
		if err := img.Write(ctx, a.Path); err != nil {
			return made, err
		}
		made.archives = append(made.archives, a)
	}
	return made, nil
}

// kubeadmImages asks kubeadm which images it will run.
func (p parts) kubeadmImages(ctx context.Context, s *progress.Step) ([]string, error) {
	cmd := s.Command(ctx, p.binaries["kubeadm"], "config", "images", "list", "--kubernetes-version", versions.Kubernetes)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := progress.Explain(cmd.Run(), "kubeadm config images list"); err != nil {
		return nil, err
	}
	return strings.Fields(out.String()), nil
}

// program is the image of one static binary, over the layers below.
func (p parts) program(ref, binary, dest string, below ...image.Layer) image.Image {
	layers := append([]image.Layer{}, below...)
	return image.Image{
		Ref:    ref,
		Layers: append(layers, image.Files{{Dest: dest, Source: p.binaries[binary], Mode: 0o755}}),
		Config: v1.Config{Env: []string{image.Path}, Entrypoint: []string{dest}},
	}
}

// netToolsLayers is netTools with the links to nftables' iptables, which Debian's alternatives would make.
func (p parts) netToolsLayers(names ...string) []image.Layer {
	layers := []image.Layer{image.Tar(p.netTools)}
	var links image.Files
	for _, n := range names {
		links = append(links, image.File{Dest: "/usr/sbin/" + n, Link: "xtables-nft-multi"})
	}
	if len(links) > 0 {
		layers = append(layers, links)
	}
	return layers
}
