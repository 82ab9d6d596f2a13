package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// recipe identifies what the clone would make a platform from: the sources that decide what is in the images and
// what is deployed. Platforms of equal recipes are equal.
func (p *platform) recipe() (string, error) {
	parts := []string{os.Getenv(envNodeImage), versions.Operator()}
	for _, dir := range []string{
		"build", "internal/barman", "internal/debian", "internal/image", "internal/kindcluster", "internal/nodeimage",
		"internal/python", "internal/versions", "internal/workload",
	} {
		err := filepath.WalkDir(filepath.Join(p.moduleRoot(), dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(p.moduleRoot(), path)
			parts = append(parts, name, string(content))
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read the platform's recipe: %w", err)
		}
	}
	return cache.Key(parts...), nil
}
