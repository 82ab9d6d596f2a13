package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/hostdiff"
)

func hostdiffCommand() *cobra.Command {
	var save, compare string
	cmd := &cobra.Command{
		Use:   "hostdiff",
		Short: "Compare the machine before and after: processes, mounts, loop devices, network, cgroups, kernel settings",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now, err := hostdiff.Take(cmd.Context())
			if err != nil {
				return fmt.Errorf("look at the machine: %w", err)
			}
			if save != "" {
				b, err := json.MarshalIndent(now, "", " ")
				if err != nil {
					return err
				}
				return os.WriteFile(save, b, 0o600)
			}
			b, err := os.ReadFile(compare)
			if err != nil {
				return err
			}
			var before hostdiff.Snapshot
			if err := json.Unmarshal(b, &before); err != nil {
				return fmt.Errorf("read the snapshot %s: %w", compare, err)
			}
			differences := before.Compare(now)
			for _, d := range differences {
				sign := "-"
				if d.Added {
					sign = "+"
				}
				fmt.Printf("%s %s: %s\n", sign, d.Kind, d.Entry)
			}
			if len(differences) > 0 {
				return fmt.Errorf("%d differences", len(differences))
			}
			return nil
		},
		PreRunE: func(*cobra.Command, []string) error {
			if (save == "") == (compare == "") {
				return errors.New("give one of --save and --compare")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&save, "save", "", "write what is seen now to this file")
	cmd.Flags().StringVar(&compare, "compare", "", "print what differs now from this file")
	return cmd
}
