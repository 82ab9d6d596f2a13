// Package nodeimage builds the image of kind's nodes from Debian packages and Go modules: what kindest/node
// is, for machines that cannot pull it. Every image that the cluster runs is in its containerd already.
package nodeimage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

const (
	repository = "localhost/pgplatform-node"
	entry      = "node-image" // in the cache: a folder with image.tar
	// keep is how many node images stay in the cache, 2 GB each: one for each of two branches.
	keep = 2
)

// recipeVersion must be raised with a change in how this package assembles the image that shows in none of
// the parts that make up the key.
const recipeVersion = "1"

// Build returns the node image, with the preload archives imported into its containerd. It builds what the
// cache lacks; with nothing changed it only computes keys. The archives must lie in the cache, so that their
// paths change with their content. moduleRoot is the folder of tools/platform in the clone.
func Build(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string, preload []image.Archive) (image.Archive, error) {
	p, err := gather(ctx, c, r, moduleRoot)
	if err != nil {
		return image.Archive{}, err
	}
	key := p.key(c, preload)
	archive := image.Archive{Ref: fmt.Sprintf("%s:%s-%s", repository, versions.Kubernetes, key)}
	folder, err := c.Get(ctx, entry, key, func(ctx context.Context, path string) error {
		return r.Run(ctx, "Put the node image together", func(ctx context.Context, s *progress.Step) error {
			return assemble(ctx, s, p, preload, archive.Ref, path)
		})
	})
	if err != nil {
		return image.Archive{}, err
	}
	c.KeepNewest(entry, keep)
	archive.Path = filepath.Join(folder, "image.tar")
	return archive, nil
}

// parts is what the image is made from: paths in the cache and on this machine.
type parts struct {
	rootFS   string // of the node
	netTools string // iptables and a shell, for images that need them
	kindBase string // kind's images/base/files
	binaries map[string]string
}

// binaries are the programs in the node and in the control plane's images.
var binaries = []gobuild.Target{
	gobuild.Kubeadm, gobuild.Kubelet, gobuild.Kubectl,
	gobuild.APIServer, gobuild.ControllerManager, gobuild.Scheduler, gobuild.KubeProxy,
	gobuild.Etcd, gobuild.CoreDNS, gobuild.LocalPathProvisioner,
	gobuild.Pause, gobuild.PodNetwork,
}

func gather(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string) (parts, error) {
	p := parts{binaries: map[string]string{}}
	// The root file systems mostly wait for downloads, the compiler does not: side by side.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if p.netTools, err = netTools.Get(ctx, c, r); err != nil {
			return err
		}
		p.rootFS, err = nodeRootFS.Get(ctx, c, r)
		return err
	})
	g.Go(func() (err error) {
		if p.kindBase, err = kindBase(ctx, moduleRoot); err != nil {
			return err
		}
		for _, t := range binaries {
			if p.binaries[t.Name], err = gobuild.Get(ctx, c, r, moduleRoot, t); err != nil {
				return err
			}
		}
		return nil
	})
	return p, g.Wait()
}

// key is made of the parts' own: that is what their paths in the cache end in. It does not depend on where
// the cache lies.
func (p parts) key(c *cache.Cache, preload []image.Archive) string {
	own := func(path string) string { return strings.TrimPrefix(path, c.Dir()) }
	k := []string{recipeVersion, versions.Kind, own(p.rootFS), own(p.netTools), cniManifest, storageManifest}
	for _, t := range binaries {
		k = append(k, own(p.binaries[t.Name]))
	}
	for _, a := range preload {
		k = append(k, a.Ref, own(a.Path))
	}
	return cache.Key(k...)
}

// assemble makes the folder path with image.tar in it.
func assemble(ctx context.Context, s *progress.Step, p parts, preload []image.Archive, ref, path string) error {
	// Everything that is only needed on the way lies here too: interrupted, it goes with the half result.
	work := filepath.Join(path, "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	control, err := p.controlPlane(ctx, s, work)
	if err != nil {
		return err
	}
	node, err := p.nodeFiles(control.pause)
	if err != nil {
		return err
	}
	// The archives that change least come first, so that their layers are equal in the next image.
	images, err := importAll(ctx, s, filepath.Join(work, "containerd"), append(control.archives, preload...))
	if err != nil {
		return err
	}

	img := image.Image{
		Ref:    ref,
		Layers: append([]image.Layer{image.Tar(p.rootFS), node}, images...),
		// As at the end of kind's images/base/Dockerfile: systemd must know that it runs in a container, and
		// it stops on SIGRTMIN+3.
		Config: v1.Config{
			Env:        []string{"container=docker", image.Path},
			Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
			StopSignal: "SIGRTMIN+3",
		},
		// Docker 20.10 reads no zstd; and most of it is compressed already.
		Plain: true,
	}
	if err := img.Write(ctx, filepath.Join(path, "image.tar")); err != nil {
		return err
	}
	return os.RemoveAll(work)
}
