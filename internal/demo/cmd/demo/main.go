//go:build unix

// Command demo runs the story of package demo on the platform that `make platform` brings up. It reads the environment
// that .platform/env sets.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/demo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := cnpg.Connection{ConfigPaths: []string{os.Getenv("KUBE_CONFIG_PATH")}}.RESTConfig(ctx)
	if err != nil {
		return fmt.Errorf("%w (source .platform/env first)", err)
	}
	stateDir := os.Getenv("PGPLATFORM_STATE")
	if stateDir == "" {
		return errors.New("PGPLATFORM_STATE is not set (source .platform/env first)")
	}
	kubernetes, err := cnpg.New(config, "pgplatform-demo")
	if err != nil {
		return err
	}
	s3, err := archive.New(ctx, archive.Config{})
	if err != nil {
		return err
	}
	release, err := lock(ctx, filepath.Join(stateDir, "demo.lock"), func() {
		fmt.Println("Another demo runs on this platform: waiting for its end.")
	})
	if err != nil {
		return err
	}
	defer release()
	d := &demo.Demo{
		Out:      os.Stdout,
		CLI:      os.Getenv("TF_ACC_TERRAFORM_PATH"),
		Examples: filepath.Join("examples", "demo"),
		// With the platform, not in the clone: another clone's demo finds what this one made, and what goes with the
		// databases goes when they do.
		Workdir:    filepath.Join(stateDir, "demo"),
		Namespace:  "default",
		Kubernetes: kubernetes,
		S3:         s3,
		Bucket:     os.Getenv("PGPLATFORM_BUCKET"),
	}
	if err := d.Run(ctx); err != nil {
		return err
	}
	d.Next()
	return nil
}
