package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
)

// platformNamespaces have what the platform itself runs.
var platformNamespaces = []string{"kube-system", "local-path-storage"}

func (p *platform) archives(ctx context.Context) ([]image.Archive, error) { return nil, nil }
func (p *platform) deploy(ctx context.Context) error                       { return nil }
func (p *platform) writeEnv(ctx context.Context) error {
	os.MkdirAll(filepath.Dir(p.envFile()), 0o755)
	return os.WriteFile(p.envFile(), nil, 0o600)
}

// kubectl is the path of a kubectl.
func (p *platform) kubectl(ctx context.Context) (string, error) {
	return gobuild.Get(ctx, p.cache, p.Reporter, p.moduleRoot(), gobuild.Kubectl)
}
