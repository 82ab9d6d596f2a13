package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/engine"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// Where the images come from.
const (
	imagesAuto   = "auto"
	imagesBuilt  = "built"
	imagesPulled = "pulled"

	envImages = "PGPLATFORM_IMAGES"
	// envNodeImage names another node image of kind's than the pinned one: another version of Kubernetes. It is only for pulled
	// images, as versions.EnvCloudNativePG is.
	envNodeImage = "PGPLATFORM_NODE_IMAGE"
)

// pulledNode is the pinned node image, or the one that the environment asks for.
func pulledNode() string { return cmp.Or(os.Getenv(envNodeImage), versions.NodeImage) }

// checkVersions refuses versions of one's choice where images are built, which are built of pinned ones.
func checkVersions(images string) error {
	if images != imagesBuilt {
		return nil
	}
	for _, name := range []string{envNodeImage, versions.EnvCloudNativePG} {
		if value := os.Getenv(name); value != "" {
			return fmt.Errorf("%s is %q, which is only for pulled images, and these are built", name, value)
		}
	}
	return nil
}

// loopback is where an ordinary Docker engine publishes the platform's ports.
const loopback = "127.0.0.1"

// defaultImages is what the environment asks for.
func defaultImages() string {
	if v := os.Getenv(envImages); v != "" {
		return v
	}
	return imagesAuto
}

// chooseImages decides where the images come from: as asked, else as the platform was started, else pulled
// where a Docker engine runs that can pull the node image, else built.
func (p *platform) chooseImages(ctx context.Context, asked string) (string, error) {
	switch asked {
	case imagesAuto, imagesBuilt, imagesPulled:
	default:
		return "", fmt.Errorf("images are %q, %q or %q, not %q", imagesAuto, imagesBuilt, imagesPulled, asked)
	}
	if p.record != nil && p.record.Images != "" {
		if asked != imagesAuto && asked != p.record.Images {
			return "", fmt.Errorf("the platform was started with %s images: bring it down before starting it with %s ones", p.record.Images, asked)
		}
		return p.record.Images, nil
	}
	switch asked {
	case imagesBuilt:
		return asked, engine.Check()
	case imagesPulled:
		return asked, p.Run(ctx, "Pull the node image", pullNode)
	}
	if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
		p.Say("no Docker engine answers: the images are built from packages")
		return imagesBuilt, engine.Check()
	}
	if err := p.Run(ctx, "Pull the node image", pullNode); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		p.Say("the images cannot be pulled: they are built from packages")
		return imagesBuilt, engine.Check()
	}
	return imagesPulled, nil
}

// pullNode gets kind's own node image.
func pullNode(ctx context.Context, s *progress.Step) error {
	if err := exec.CommandContext(ctx, "docker", "image", "inspect", pulledNode()).Run(); err == nil {
		return nil
	}
	return s.Exec(ctx, "docker", "pull", pulledNode())
}
