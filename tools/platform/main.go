// Command platform runs the one platform of a machine that the provider's tests and demo need: a kind cluster
// with CloudNativePG, and S3.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/engine"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/ociruntime"
)

func main() {
	if err := run(); err != nil {
		if code := exitCode(0); errors.As(err, &code) {
			os.Exit(int(code))
		}
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "platform:", err)
		}
		os.Exit(1)
	}
}

// errSilent ends with a failure of which everything has been said.
var errSilent = errors.New("failed")

func run() error {
	// The roles in which a Docker engine of our own calls this program; people use the commands below.
	switch filepath.Base(os.Args[0]) {
	case ociruntime.Name:
		return ociruntime.Run(os.Args[1:])
	case ociruntime.GuardName:
		return ociruntime.Guard(os.Stdin)
	}
	if len(os.Args) == 4 && os.Args[1] == engine.SuperviseCommand {
		return engine.Supervise(os.Args[2], os.Args[3])
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends at once.
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:               "platform",
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Short:             "Run the platform that tests and the demo need: kind, CloudNativePG and S3",
		SilenceUsage:      true,
		SilenceErrors:     true,
	}
	root.PersistentFlags().String("clone", "", "root of the clone that is to use the platform (default: the one around the working folder)")
	root.AddCommand(upCommand(), downCommand(), statusCommand(), logsCommand(), hostdiffCommand(), holdCommand(), cliCommand(),
		apiserverCommand(), barmanCommand())
	return root.ExecuteContext(ctx)
}
