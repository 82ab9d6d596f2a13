package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// RootFS is the recipe of a Debian root file system.
type RootFS struct {
	Name    string   // names its entry in the cache
	Suite   string   // "bookworm"
	Variant string   // mmdebstrap's variant; empty: minbase
	Include []string // packages beyond the variant's
	Exclude []string // patterns of files that are left out
	Frozen  bool     // the suite as it was released last, without the updates and security fixes since
	Hooks   []string // shell commands run at the end outside of the root file system, whose path is "$1"
}

// unwanted is in no image: nobody reads manuals there.
var unwanted = []string{
	"/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/lintian/*",
}

// Key changes with the recipe. A new version of a package in Debian does not change it.
func (r RootFS) Key() string { return cache.Key(r.arguments()...) }

// Get returns the path of the root file system, a tar compressed with zstd. Where the cache has none it is
// made, which is a step of its own and needs root and the Debian archive.
func (r RootFS) Get(ctx context.Context, c *cache.Cache, rep *progress.Reporter) (string, error) {
	if c.Has(r.Name, r.Key()) {
		return r.Build(ctx, c, nil)
	}
	var path string
	err := rep.Run(ctx, "Make the root file system "+r.Name, func(ctx context.Context, s *progress.Step) (err error) {
		path, err = r.Build(ctx, c, s)
		return err
	})
	return path, err
}

// Build is Get inside of a step.
func (r RootFS) Build(ctx context.Context, c *cache.Cache, s *progress.Step) (string, error) {
	path, err := c.Get(ctx, r.Name, r.Key(), func(ctx context.Context, path string) error {
		if err := Ensure(ctx, s, "mmdebstrap"); err != nil {
			return err
		}
		return r.write(ctx, s, path)
	})
	if err != nil {
		return "", fmt.Errorf("make the root file system %s: %w", r.Name, err)
	}
	return path, nil
}

func (r RootFS) write(ctx context.Context, s *progress.Step, path string) error {
	// mmdebstrap works in a folder that must allow devices and execution, which /tmp may not. It always is
	// the same one, so that what a killed run left there goes with the next.
	tmp := path + "-work"
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewWriter(f)
	if err != nil {
		return err
	}

	cmd := s.Command(ctx, "mmdebstrap", r.arguments()...)
	cmd.Stdout = z
	// No file is newer than this: equal content makes equal bytes.
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", image.Epoch.Unix()))
	// mmdebstrap and all that it starts live in a process namespace, where all of them die with the first: at
	// the end of ctx and also when we are killed, for which the thread that starts it must live as long.
	// Their mounts are in a mount namespace of their own, which goes with them: of the machine's, each that is left would keep the
	// next run from removing the folder.
	cmd.SysProcAttr = ownProcesses()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := progress.Explain(cmd.Run(), "mmdebstrap"); err != nil {
		return errors.Join(err, z.Close())
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

func (r RootFS) arguments() []string {
	variant := r.Variant
	if variant == "" {
		variant = "minbase"
	}
	args := []string{"--variant=" + variant, "--format=tar", `--aptopt=APT::Install-Recommends "false"`}
	for _, u := range slices.Concat(unwanted, r.Exclude) {
		args = append(args, "--dpkgopt=path-exclude="+u)
	}
	args = append(args, "--dpkgopt=path-include=/usr/share/doc/*/copyright")
	if len(r.Include) > 0 {
		args = append(args, "--include="+strings.Join(r.Include, ","))
	}
	if r.Frozen {
		// mmdebstrap has written its sources by then, and not yet asked them.
		args = append(args, `--setup-hook=sed -i '/-updates\|-security/d' "$1"/etc/apt/sources.list`)
	}
	for _, h := range r.Hooks {
		args = append(args, "--customize-hook="+h)
	}
	return append(args, r.Suite, "-")
}
