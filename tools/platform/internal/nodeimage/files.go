package nodeimage

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

var (
	// kind applies these two when it makes a cluster; it fills in the pods' subnet.
	//go:embed manifests/cni.yaml
	cniManifest string
	//go:embed manifests/storage.yaml
	storageManifest string
)

// kindBase is the folder of the files that kind lays into its base image, in the zip of kind's module.
func kindBase(ctx context.Context, moduleRoot string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "sigs.k8s.io/kind@"+versions.Kind)
	cmd.Dir = moduleRoot
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("download the module of kind: %w: %s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("download the module of kind: %w", err)
	}
	return filepath.Join(module.Dir, "images", "base", "files"), nil
}

// nodeFiles is the layer over the node's root file system: kind's files, the Kubernetes programs, manifests.
func (p parts) nodeFiles(pauseRef string) (image.Files, error) {
	files, err := image.Folder(p.kindBase, "/")
	if err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		switch {
		case f.Mode.IsDir():
			f.Mode = fs.ModeDir | 0o755 // module zips keep no permissions
		case path.Dir(f.Dest) == "/usr/local/bin", path.Dir(f.Dest) == "/kind/bin":
			f.Mode = 0o755
		default:
			f.Mode = 0o644
		}
		if f.Dest == "/etc/containerd/config.toml" {
			if f.Data, err = containerdConfig(f.Source, pauseRef); err != nil {
				return nil, err
			}
			f.Source = ""
		}
	}

	for _, name := range []string{"kubeadm", "kubelet", "kubectl"} {
		files = append(files, image.File{Dest: "/usr/bin/" + name, Source: p.binaries[name], Mode: 0o755})
	}
	// kind's units and scripts look for what it compiles itself where it puts it.
	for _, name := range []string{"containerd", "ctr", "containerd-shim-runc-v2"} {
		files = append(files, image.File{Dest: "/usr/local/bin/" + name, Link: "/usr/bin/" + name})
	}
	files = append(files, image.File{Dest: "/opt/cni/bin", Link: "/usr/lib/cni"})

	const units = "/etc/systemd/system/"
	for _, name := range []string{"kubelet.service", "containerd.service", "undo-mount-hacks.service"} {
		files = append(files, image.File{Dest: units + "multi-user.target.wants/" + name, Link: units + name})
	}
	return append(files,
		// It would register formats with the kernel, which is the machine's.
		image.File{Dest: units + "systemd-binfmt.service", Link: "/dev/null"},
		image.File{Dest: "/etc/kubernetes/manifests", Mode: fs.ModeDir | 0o755},
		image.File{Dest: "/kind/version", Data: []byte(versions.Kubernetes)},
		image.File{Dest: "/kind/manifests/default-cni.yaml", Data: []byte(cniManifest)},
		image.File{Dest: "/kind/manifests/default-storage.yaml", Data: []byte(storageManifest)},
	), nil
}

// containerdConfig is kind's configuration of containerd with our pause image, and with oom_score_adj left
// alone where it may not be lowered: else no pod starts without CAP_SYS_RESOURCE.
func containerdConfig(file, pauseRef string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(b), "\n")
	for key, value := range map[string]string{
		"sandbox_image":          fmt.Sprintf("%q", pauseRef),
		"restrict_oom_score_adj": "true",
	} {
		found := false
		for i, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), key+" =") {
				lines[i], found = "  "+key+" = "+value, true
			}
		}
		if !found {
			return nil, fmt.Errorf("kind's %s has no %s to set", filepath.Base(file), key)
		}
	}
	return []byte(strings.Join(lines, "\n")), nil
}
