package provider_test

import (
	"context"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// serveDocuments is the variable that makes the tests' own program the provider for the pages: the CLI runs it as it runs any
// provider, in processes of its own. Its value is the kubeconfig of the fakes and the address of their S3.
const serveDocuments = "PGPLATFORM_SERVE_DOCUMENTS"

func serve(where string) {
	kubeconfig, s3, _ := strings.Cut(where, " ")
	err := tf6server.Serve("registry.terraform.io/pgplatform/pgplatform", func() tfprotov6.ProviderServer {
		server, err := onFakes["pgplatform"]()
		if err != nil {
			log.Fatal(err)
		}
		return &ledServer{ProviderServer: server, kubeconfig: kubeconfig, s3: s3}
	})
	if err != nil {
		log.Fatal(err)
	}
}

// ledServer is a provider that takes its configuration as it is written, and is then led to the fakes.
type ledServer struct {
	tfprotov6.ProviderServer
	kubeconfig, s3 string
}

func (s *ledServer) ConfigureProvider(ctx context.Context, req *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	answer, err := s.ProviderServer.ConfigureProvider(ctx, req)
	if err != nil {
		return answer, err
	}
	for _, d := range answer.Diagnostics {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			return answer, nil
		}
	}
	led := *req
	if led.Config, err = s.lead(ctx, req.Config); err != nil {
		return nil, err
	}
	return s.ProviderServer.ConfigureProvider(ctx, &led)
}

// lead replaces what says where the API server and S3 are. Who one is in S3, and all that concerns the pods, stays.
func (s *ledServer) lead(ctx context.Context, written *tfprotov6.DynamicValue) (*tfprotov6.DynamicValue, error) {
	schemas, err := s.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	all := schemas.Provider.ValueType()
	value, err := written.Unmarshal(all)
	if err != nil {
		return nil, err
	}
	var config map[string]tftypes.Value
	if err := value.As(&config); err != nil {
		return nil, err
	}
	kubernetes := config["kubernetes"].Type()
	access := map[string]tftypes.Value{}
	if object, ok := kubernetes.(tftypes.Object); ok {
		for name, t := range object.AttributeTypes {
			access[name] = tftypes.NewValue(t, nil)
		}
	}
	access["config_path"] = tftypes.NewValue(tftypes.String, s.kubeconfig)
	config["kubernetes"] = tftypes.NewValue(kubernetes, access)
	if store := config["object_store"]; store.IsKnown() && !store.IsNull() {
		var settings map[string]tftypes.Value
		if err := store.As(&settings); err != nil {
			return nil, err
		}
		if !settings["endpoint_url"].IsNull() { // else it comes from the environment, and the pods of living databases keep theirs
			settings["endpoint_url"] = tftypes.NewValue(tftypes.String, s.s3)
		}
		settings["use_path_style"] = tftypes.NewValue(tftypes.Bool, true)
		settings["ca_certificate"] = tftypes.NewValue(tftypes.String, nil)
		settings["profile"] = tftypes.NewValue(tftypes.String, nil)
		config["object_store"] = tftypes.NewValue(store.Type(), settings)
	}
	led, err := tfprotov6.NewDynamicValue(all, tftypes.NewValue(all, config))
	return &led, err
}

// servesDocuments serves as a provider where the CLI has started the program as one.
func servesDocuments() bool {
	where := os.Getenv(serveDocuments)
	if where == "" {
		return false
	}
	serve(where)
	return true
}
