package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// An admission warning is told once, however many objects it is about.
func TestAdmissionWarningsAreToldOnce(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	server.Fail(apitest.Each("", "clusters", apitest.Fault{Warnings: []string{"in-tree barman is deprecated"}}))
	client, err := cnpg.New(server.Config(), "test")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{}
	var told []string
	for range 2 {
		ctx, finish := b.collectWarnings(t.Context())
		for range 2 {
			_, _ = client.GetCluster(ctx, cnpg.Key{Namespace: "default", Name: "none"}) // the answer does not matter
		}
		var diags diag.Diagnostics
		finish(&diags)
		for _, d := range diags {
			if d.Severity() != diag.SeverityWarning {
				t.Errorf("%s is no warning", d.Summary())
			}
			told = append(told, d.Detail())
		}
	}
	if !slices.Equal(told, []string{"in-tree barman is deprecated"}) {
		t.Errorf("told were %q", told)
	}
}

// That CNPG's own support for barman ends is told once, whatever object it is told of, and with what to do; other warnings are not lost
// beside it.
func TestEndOfInTreeBackupsIsToldOnce(t *testing.T) {
	t.Parallel()
	// As CNPG 1.30 writes it, and as the release before did.
	const of = "Native support for Barman Cloud backups and recovery is deprecated and will be completely removed in CloudNativePG %s. " +
		"Found usage in: %s. Please migrate existing clusters to the new Barman Cloud Plugin to ensure a smooth transition."
	texts := []string{
		fmt.Sprintf(of, "1.31.0", "spec.backup.barmanObjectStore"),
		fmt.Sprintf(of, "1.31.0", "spec.backup.barmanObjectStore, spec.externalClusters.0.barmanObjectStore"),
		"Native support is something else",
		fmt.Sprintf(of, "1.30.0", "spec.externalClusters.0.barmanObjectStore"),
	}
	server := apitest.New(t)
	client, err := cnpg.New(server.Config(), "test")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{}
	var told []string
	for _, text := range texts {
		server.Fail(apitest.Each("", "clusters", apitest.Fault{Warnings: []string{text}}))
		ctx, finish := b.collectWarnings(t.Context())
		_, _ = client.GetCluster(ctx, cnpg.Key{Namespace: "default", Name: "none"}) // the answer does not matter
		var diags diag.Diagnostics
		finish(&diags)
		for _, d := range diags {
			told = append(told, d.Detail())
		}
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], texts[0]) || !strings.Contains(told[0], `backup.method = "plugin"`) || told[1] != texts[2] {
		t.Errorf("told were %q", told)
	}
}

func TestClientsOfAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	var diags diag.Diagnostics
	b := newBackend(t.Context(), providerModel{
		Kubernetes:  types.ObjectUnknown(map[string]attr.Type{}),
		ObjectStore: types.ObjectUnknown(map[string]attr.Type{}),
	}, "test", &diags)
	if diags.HasError() {
		t.Fatal(diags)
	}
	if _, err := b.kubernetesClient(t.Context()); err != errNotKnown { //nolint:errorlint // this very value
		t.Errorf("kubernetesClient: %v", err)
	}
	if _, err := b.s3Client(t.Context(), b.store); err != errNotKnown { //nolint:errorlint // this very value
		t.Errorf("s3Client: %v", err)
	}
}
