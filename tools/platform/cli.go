package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload"
)

func cliCommand() *cobra.Command {
	var all, oldest bool
	cmd := &cobra.Command{
		Use:   "cli",
		Short: "Print the path of the Terraform CLI: terraform on the PATH, else tofu, else OpenTofu, which is built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The steps of a build go where they are not taken for the path.
			p, err := openTelling(cmd, os.Stderr)
			if err != nil {
				return err
			}
			if all {
				paths, err := workload.FindCLIs(cmd.Context(), p.cache, p.Reporter, p.moduleRoot())
				if err != nil {
					return err
				}
				fmt.Println(strings.Join(paths, "\n"))
				return nil
			}
			if oldest {
				path, err := gobuild.Get(cmd.Context(), p.cache, p.Reporter, p.moduleRoot(), gobuild.OldestOpenTofu)
				if err != nil {
					return fmt.Errorf("get the oldest OpenTofu: %w", err)
				}
				fmt.Println(path)
				return nil
			}
			path, err := workload.FindCLI(cmd.Context(), p.cache, p.Reporter, p.moduleRoot())
			if err != nil {
				return err
			}
			fmt.Println(path)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print the paths of all: terraform and tofu on the PATH, and OpenTofu, built where neither is it")
	cmd.Flags().BoolVar(&oldest, "oldest", false, "print the path of the oldest OpenTofu that the provider is for, which is built")
	cmd.MarkFlagsMutuallyExclusive("all", "oldest")
	return cmd
}
