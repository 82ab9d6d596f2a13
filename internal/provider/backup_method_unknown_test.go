package provider_test

import (
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const (
	byPluginNow = unprotected + "backup = { schedule = \"@daily\", method = \"plugin\" }\n"
	inTreeNow   = unprotected + "backup = { schedule = \"@daily\", method = \"barmanObjectStore\" }\n"
)

// What is said where CNPG knows no plugin, although its kind is there.
var saysUnknownPlugin = []string{
	`AttributeName("backup").AttributeName("method")`, "Unknown plugin: 'barman-cloud.cloudnative-pg.io'",
	"is not installed in this Kubernetes cluster, or CloudNativePG has not found it", "stays behind when the plugin is removed", "helm upgrade --install",
}

// withinSeconds fails a test in which something took as long as any other phase is borne with on the fakes.
func withinSeconds(t *testing.T, do func()) {
	t.Helper()
	begun := time.Now()
	do()
	if took := time.Since(begun); took > 55*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Of a plugin that was removed the kind stays behind, and no list of ObjectStores tells. CNPG does, as soon as a Cluster needs it: no
// wait goes on until its timeout, and the plans after that say it too.
func TestPluginThatLeftItsKindBehind(t *testing.T) {
	t.Parallel()
	inPlan := append([]string{"Barman Cloud Plugin Not Found"}, saysUnknownPlugin...)
	instead := []string{`As long as CloudNativePG has its own support for barman (up to 1.30), backup.method = "barmanObjectStore" does without the plugin.`}
	with := func(texts []string, more ...string) []string { return append(append([]string{}, texts...), more...) }

	t.Run("create", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.kube.RemovePlugin()
		withinSeconds(t, func() {
			s.fails(s.config(database(byPluginNow)), with(with([]string{"Unable to Create Database"}, saysUnknownPlugin...), instead[0], "marked as tainted")...)
		})
		s.w.Untaint(db)
		// The way back needs no plugin.
		s.apply(s.config(database(inTreeNow)))
		if method := cnpg.MethodOf(s.cluster()); method != cnpg.MethodInTree || s.cluster().Status.Phase != cnpgv1.PhaseHealthy {
			t.Errorf("it archives by %q, in the phase %q", method, s.cluster().Status.Phase)
		}
	})
	t.Run("found by itself", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.withoutInTree()
		s.kube.RemovePlugin()
		withinSeconds(t, func() {
			s.fails(s.config(database(unprotected+"backup = { schedule = \"@daily\" }\n")), saysUnknownPlugin...)
		})
	})
	t.Run("change of the method", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.apply(s.config(database(inTreeNow)))
		s.kube.RemovePlugin()
		if _, warnings := s.plan(s.config(database(inTreeNow))); strings.Contains(warnings, "Not Found") {
			t.Errorf("of a database that needs no plugin the plan says %s", warnings)
		}
		withinSeconds(t, func() {
			s.fails(s.config(database(byPluginNow)), with(with([]string{"Unable to Update Database"}, saysUnknownPlugin...), instead[0])...)
		})
		plan, warnings := s.plan(s.config(database(byPluginNow)))
		if !says(with(inPlan, instead[0])...).MatchString(warnings) || plan.Action(db) == terraformtest.Replace {
			t.Errorf("the plan after that is %q and says\n%s", plan.Action(db), warnings)
		}
		s.apply(s.config(database(inTreeNow)))
		if method := cnpg.MethodOf(s.cluster()); method != cnpg.MethodInTree {
			t.Errorf("it archives by %q", method)
		}
		if _, warnings := s.plan(s.config(database(inTreeNow))); strings.Contains(warnings, "Not Found") {
			t.Errorf("after the way back the plan says %s", warnings)
		}
	})
	t.Run("living", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.apply(s.config(database(byPluginNow)))
		s.kube.RemovePlugin()
		if _, warnings := s.plan(s.config(database(byPluginNow))); !says(with(inPlan, instead[0])...).MatchString(warnings) {
			t.Errorf("the plan says\n%s", warnings)
		}
		withinSeconds(t, func() {
			s.fails(s.config(database(byPluginNow+withParameter)), with([]string{"Unable to Update Database"}, saysUnknownPlugin...)...)
		})
		s.kube.InstallPlugin()
		s.apply(s.config(database(byPluginNow + withParameter)))
		if _, warnings := s.plan(s.config(database(byPluginNow + withParameter))); strings.Contains(warnings, "Not Found") {
			t.Errorf("with the plugin the plan says %s", warnings)
		}
	})
	t.Run("restore", func(t *testing.T) {
		t.Parallel()
		s, _ := restoreStage(t)
		config := s.provider("") + restoreOf(unprotected+withinTheWindow+"backup = { schedule = \"@daily\", method = \"plugin\" }\n")
		s.kube.RemovePlugin()
		withinSeconds(t, func() {
			s.fails(config, with(with([]string{"Unable to Restore Database"}, saysUnknownPlugin...), instead[0])...)
		})
		// It has never run: by the other method it is made anew.
		s.apply(strings.ReplaceAll(config, `"plugin"`, `"barmanObjectStore"`))
	})
	t.Run("restored", func(t *testing.T) {
		t.Parallel()
		s, _ := restoreStage(t)
		config := s.provider("") + restoreOf(unprotected+withinTheWindow+"backup = { schedule = \"@daily\", method = \"plugin\" }\n")
		s.apply(config)
		s.kube.RemovePlugin()
		if _, warnings := s.plan(config); !says(with(inPlan, instead[0])...).MatchString(warnings) || strings.Contains(warnings, "would not help") {
			t.Errorf("the plan says\n%s", warnings)
		}
		if apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db-pitr") == nil {
			t.Error("the restored Cluster is gone")
		}
	})
}
