package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/barman"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

func barmanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "barman",
		Short: "Print where releases of barman-cloud are, which are installed: a version and a folder for PYTHONPATH a line",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := openTelling(cmd, os.Stderr)
			if err != nil {
				return err
			}
			return p.Run(cmd.Context(), "Install barman-cloud", func(ctx context.Context, s *progress.Step) error {
				releases, err := barman.Install(ctx, p.cache, s)
				for _, r := range releases {
					if err == nil {
						fmt.Println(r.Version, r.Dir)
					}
				}
				return err
			})
		},
	}
}
