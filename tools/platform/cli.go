package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload"
)

func cliCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cli",
		Short: "Print the path of the Terraform CLI: terraform on the PATH, else tofu, else OpenTofu, which is built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The steps of a build go where they are not taken for the path.
			p, err := openTelling(cmd, os.Stderr)
			if err != nil {
				return err
			}
			path, err := workload.FindCLI(cmd.Context(), p.cache, p.Reporter, p.moduleRoot())
			if err != nil {
				return err
			}
			fmt.Println(path)
			return nil
		},
	}
}
