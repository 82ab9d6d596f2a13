package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// CNPG reads spec.bootstrap when it makes a Cluster, and never again: whatever somebody does to it later changes nothing of
// the database, so that it must not be replaced.
func TestDatabaseBootstrapChangedByHand(t *testing.T) {
	t.Parallel()
	const names = "  database_name = \"shop\"\n  owner = \"seller\"\n"
	for name, change := range map[string]func(*cnpgv1.Cluster){
		"the owner":    func(c *cnpgv1.Cluster) { c.Spec.Bootstrap.InitDB.Owner = "else" },
		"the database": func(c *cnpgv1.Cluster) { c.Spec.Bootstrap.InitDB.Database = "else" },
		"the block is removed": func(c *cnpgv1.Cluster) {
			c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "app", Owner: "app"}} // CNPG's webhook fills it in
		},
		"no block at all": func(c *cnpgv1.Cluster) { c.Spec.Bootstrap = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := f.config(backedUp(""))
			config = strings.Replace(config, unprotected, unprotected+names, 1)
			s.apply(config)
			before := f.cluster()
			f.edit("kubectl-edit", "my-db", change)
			s.planned(config, terraformtest.NoOp)
			s.apply(strings.Replace(config, names, names+"  parameters = { work_mem = \"8MB\" }\n", 1))
			if f.cluster().UID != before.UID {
				t.Error("another Cluster was made")
			}
			if database, owner := s.attribute("database_name"), s.attribute("owner"); database != "shop" || owner != "seller" {
				t.Errorf("the state has the database %q of %q", database, owner)
			}
			if database, owner := s.attribute("connection_info", "database"), s.attribute("connection_info", "username"); database != "shop" || owner != "seller" {
				t.Errorf("connection_info has the database %q of %q", database, owner)
			}
		})
	}
}

// The same of a restored database, and of the annotations that tell how it was made.
func TestRestoreBootstrapChangedByHand(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	s := onStage(t, f)
	config := f.config(restoreOf("  target_time = \"2026-03-26T11:30:00Z\"\n" + unprotected))
	s.apply(config)
	before := s.w.Object(pitr).Value
	f.edit("kubectl-edit", "my-db-pitr", func(c *cnpgv1.Cluster) {
		c.Annotations[cnpg.AnnotationSource] = "myorg/else"
		delete(c.Annotations, cnpg.AnnotationRestore)
		c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "app", Owner: "app"}}
		c.Spec.ExternalClusters = nil
	})
	plan, _ := s.plan(config)
	if plan.Action(pitr) != terraformtest.NoOp || !plan.Change(pitr).Before.RawEquals(before) {
		t.Errorf("the plan is %q, from\n%#v\nbefore it was\n%#v", plan.Action(pitr), plan.Change(pitr).Before, before)
	}
}

// An adopted database was bootstrapped by whoever made it: no update of ours claims a field of that.
func TestBootstrapOfAnAdoptedDatabaseStaysItsMakers(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	config := func(more string) string {
		return s.config(strings.Replace(adoptedDatabase(more), "org_id", "backup = { schedule = \"0 2 * * *\", retention_days = 14 }\norg_id", 1))
	}
	for _, label := range []string{"a", "b", "c"} {
		s.apply(config("labels = { team = \"" + label + "\" }\n"))
		for _, entry := range s.cluster().ManagedFields {
			if strings.HasPrefix(entry.Manager, cnpg.FieldManager) && strings.Contains(entry.FieldsV1.GetRawString(), "f:bootstrap") {
				t.Fatalf("%s has claimed spec.bootstrap: %s", entry.Manager, entry.FieldsV1.GetRawString())
			}
		}
	}
}
