package provider_test

import (
	"context"
	"os"
	"runtime/debug"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

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
)

// TestMain lets garbage pile up for longer: tests that play thousands of plans make much of it and hold little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
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
}
