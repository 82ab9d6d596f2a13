package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// CNPG refuses an image that is named by its digest alone, but may run one of a catalog. An adopted database keeps it where the
// configuration names none, which matches it.
func TestImageByDigestAlone(t *testing.T) {
	t.Parallel()
	const image = "registry.example.com/pg@sha256:cff94dd382ca538861622bbe84cfe03f44f307a9846a5c5eda672cf4dc692866"
	s := adopted(t)
	s.edit(apitest.Kubectl, "my-db", func(c *cnpgv1.Cluster) { c.Spec.ImageName, c.Spec.Backup = image, nil })
	apitest.Delete[cnpgv1.ScheduledBackup](s.kube, fakeNamespace, "my-db")
	config := func(more string) string {
		return s.config(strings.Replace(adoptedDatabase(more), `image         = "ghcr.io/cloudnative-pg/postgresql:17.5"`, "", 1))
	}
	s.w.Forget(db)
	s.w.Write(config(""))
	if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
		t.Fatal(diags)
	}
	s.planned(strings.Replace(config(""), unprotected, "", 1), terraformtest.NoOp)
	s.apply(config("labels = { team = \"a\" }\n"))
	if got := s.cluster().Spec.ImageName; got != image || s.attribute("image") != image || s.attribute("postgres_version") != "" {
		t.Errorf("the image is %s, the state has %s", got, s.attribute("image"))
	}
}
