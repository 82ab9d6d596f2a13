// Command terraform-provider-pgplatform is the Terraform provider pgplatform/pgplatform.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// version is stamped by the release build.
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

	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: address,
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
