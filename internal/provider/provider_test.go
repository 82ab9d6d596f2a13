package provider_test

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// The provider in the tests' own process: as it ships, and for the fakes.
var (
	factories = map[string]func() (tfprotov6.ProviderServer, error){
		"pgplatform": providerserver.NewProtocol6WithError(provider.New("test")()),
	}
	onFakes = map[string]func() (tfprotov6.ProviderServer, error){
		"pgplatform": providerserver.NewProtocol6WithError(provider.NewOnFakes("test")()),
	}
	impatient = map[string]func() (tfprotov6.ProviderServer, error){
		"pgplatform": providerserver.NewProtocol6WithError(provider.NewImpatient("test")()),
	}
)

// TestMain serves the pages of the documents, or what configurations need of another provider, where the CLI has started the tests'
// program as a provider. For tests it lets garbage pile up for longer: tests that play thousands of plans make much of it and hold
// little.
func TestMain(m *testing.M) {
	if serveStandIn() || servesDocuments() {
		return
	}
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// Without a namespace in the provider's block there is Kubernetes' own.
func TestDefaultNamespace(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.kube.AddNamespace("default")
	provider := fmt.Sprintf("provider \"pgplatform\" {\n  kubernetes = { config_path = %q }\n}\n", f.kubeconfig)
	unit(t, resource.TestStep{
		Config: provider + database(unprotected) + "data \"pgplatform_database\" \"db\" {\n  name = pgplatform_database.db.name\n  depends_on = [pgplatform_database.db]\n}\n",
		Check: resource.ComposeTestCheckFunc(
			resource.TestCheckResourceAttr(db, "id", "default/my-db"),
			resource.TestCheckResourceAttr("data."+db, "id", "default/my-db"),
		),
	})
}

func TestSchema(t *testing.T) {
	t.Parallel()
	server, err := factories["pgplatform"]()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range resp.Diagnostics {
		t.Errorf("%s: %s: %s", d.Severity, d.Summary, d.Detail)
	}
	for _, name := range []string{"pgplatform_database", "pgplatform_backup", "pgplatform_restore"} {
		if resp.ResourceSchemas[name] == nil {
			t.Errorf("no resource %s", name)
		}
	}
	if resp.DataSourceSchemas["pgplatform_backups"] == nil {
		t.Error("no data source pgplatform_backups")
	}
	if resp.EphemeralResourceSchemas["pgplatform_credentials"] == nil {
		t.Error("no ephemeral resource pgplatform_credentials")
	}
}
