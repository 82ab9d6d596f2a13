// Command terraform-provider-pgplatform is the Terraform provider pgplatform/pgplatform.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// version is stamped by `make build`, `make install` and the release.
var version = "dev"

const address = "registry.terraform.io/pgplatform/pgplatform"

func main() {
	debug := flag.Bool("debug", false, "run under a debugger such as delve")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println(version)
		return
	}

	tune()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: address,
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}

// What a run of the provider needs is small, and collecting its garbage took a quarter of the processor time of a plan:
// it is collected less often than Go would, unless there is much of it.
const (
	gcPercent   = 200
	memoryLimit = 56 << 20 // no hard one: what is in use may grow beyond it
)

// tune takes out of a run what nobody gets anything for. A setting in the environment wins.
func tune() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(memoryLimit)
	}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "TF_LOG") {
			return
		}
	}
	// The plugin's libraries write a line for each step of each request, for Terraform to drop where no log is asked for.
	if err := os.Setenv("TF_LOG_SDK", "off"); err != nil {
		log.Print(err)
	}
}
