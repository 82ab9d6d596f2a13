package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// What others change in a database, by hand and by tools of their own, and what becomes of it; and that pods are as an update
// asks when its apply is done.
func TestAccDatabase_drift(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccDatabaseDrift)
}

func testAccDatabaseDrift(t *testing.T, w *world) {
	database := func(attributes string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "0 2 * * *", retention_days = 30, wal = { compression = "gzip" } }
  deletion_protection = false
  %s
}`, attributes))
	}
	const steady = `parameters = { work_mem = "8MB" }`
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate)}}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{Config: database(steady), Check: check(func() error { return w.begun("db") })},
			{ // by hand: what is configured is put back, what is not stays and shows nowhere
				PreConfig: func() {
					w.patch("clusters", "kubectl-edit", `{"metadata":{"labels":{"team":"theirs"}},"spec":{"logLevel":"debug","resources":{"requests":{"cpu":"70m"}},
						"postgresql":{"parameters":{"work_mem":"64MB","log_statement":"ddl","archive_timeout":"1h"}}}}`)
					w.patchArchive()
					w.patch("scheduledbackups", "kubectl-patch", `{"spec":{"schedule":"0 0 5 * * *","suspend":true,"immediate":false}}`)
				},
				Config:           database(steady),
				ConfigPlanChecks: update,
				Check:            check(w.checkPutBack),
			},
			{ // another manager that means to keep a field
				PreConfig:   func() { w.fluxApplies(`{"spec":{"postgresql":{"parameters":{"work_mem":"32MB"}}}}`) },
				Config:      database(steady),
				ExpectError: says("Unable to Update Database", `.spec.postgresql.parameters.work_mem (owned by "flux")`, "set force_conflicts = true"),
			},
			{
				PreConfig: func() {
					if cluster, err := w.cluster("db"); err != nil || cluster.Spec.PostgresConfiguration.Parameters["work_mem"] != "32MB" {
						t.Errorf("the other manager's value is gone: %v", err)
					}
				},
				Config:           database(steady + "\nforce_conflicts = true"),
				ConfigPlanChecks: update,
				Check: check(func() error {
					return w.eventually(func() error { return w.setting("db", "work_mem", "8MB") })
				}),
			},
			{ // the other manager's claim is gone, and force is no longer needed
				Config:           database(`parameters = { work_mem = "16MB" }`),
				ConfigPlanChecks: update,
				Check: check(func() error {
					return w.eventually(func() error { return w.setting("db", "work_mem", "16MB") })
				}),
			},
			{ // a parameter that PostgreSQL is restarted for
				Config: database(`parameters = { work_mem = "16MB", max_connections = "57" }`),
				Check: check(func() error {
					return w.eventually(func() error { return w.setting("db", "max_connections", "57") })
				}),
			},
			{
				Config: database(`resources = { cpu = "60m" }`),
				Check: check(func() error {
					pods, err := w.core.Pods(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "cnpg.io/podRole=instance"})
					if err != nil || len(pods.Items) != 1 {
						return fmt.Errorf("%d pods: %w", len(pods.Items), err)
					}
					if cpu := pods.Items[0].Spec.Containers[0].Resources.Requests.Cpu().String(); cpu != "60m" {
						return fmt.Errorf("the pod asks for %s of a CPU", cpu)
					}
					return w.eventually(func() error { return w.setting("db", "max_connections", "100") })
				}),
			},
			{ // the platform's own storage class cannot let volumes grow
				Config:      database("resources = { cpu = \"60m\" }\nstorage = { size = \"2Gi\" }"),
				ExpectError: says("Storage Cannot Grow", "the volume claim db-1 of Cluster "+w.namespace+"/db cannot grow from 1Gi to 2Gi", `its storage class "standard" does not allow volume expansion`),
			},
		},
	})
}

// checkPutBack looks at what stands after drift was put back: the configured, and what others have added.
func (w *world) checkPutBack() error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	scheduled, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("db"))
	if err != nil {
		return err
	}
	parameters, store := cluster.Spec.PostgresConfiguration.Parameters, cnpg.Archiver(cluster)
	for what, ok := range map[string]bool{
		"work_mem":      parameters["work_mem"] == "8MB",
		"cpu":           cluster.Spec.Resources.Requests.Cpu().String() == "100m",
		"schedule":      scheduled.Spec.Schedule == "0 0 2 * * *",
		"suspension":    !ptr.Deref(scheduled.Spec.Suspend, false) && ptr.Deref(scheduled.Spec.Immediate, false),
		"retention":     cluster.Spec.Backup.RetentionPolicy == "30d",
		"folder":        store.ServerName == "db",
		"compression":   store.Wal.Compression == "gzip",
		"parallel":      store.Wal.MaxParallel == 2, // which is theirs: the configuration says nothing of it
		"log_statement": parameters["log_statement"] == "ddl",
		"log level":     cluster.Spec.LogLevel == "debug",
		"label":         cluster.Labels["team"] == "theirs",
	} {
		if !ok {
			return fmt.Errorf("wrong %s: %+v", what, cluster.Spec)
		}
	}
	return w.eventually(func() error {
		return errors.Join(w.setting("db", "work_mem", "8MB"), w.setting("db", "log_statement", "ddl"), w.setting("db", "archive_timeout", "5min"))
	})
}

// patchArchive changes by hand where and how the database "db" archives, in the objects that its method has for that.
func (w *world) patchArchive() {
	w.t.Helper()
	if methodOf(w.t) == cnpg.MethodInTree {
		w.patch("clusters", "kubectl-edit", `{"spec":{"backup":{"retentionPolicy":"1d","barmanObjectStore":{"serverName":"theirs","wal":{"compression":"bzip2","maxParallel":2}}}}}`)
		return
	}
	store := cnpg.ObjectStoreName("db")
	w.patch("clusters", "kubectl-edit", fmt.Sprintf(`{"spec":{"plugins":[{"name":%q,"isWALArchiver":true,"parameters":{%q:%q,%q:"theirs"}}]}}`,
		barmancloud.PluginName, barmancloud.ObjectStoreParameter, store, barmancloud.ServerNameParameter))
	_, err := w.resource(barmancloud.SchemeGroupVersion.WithResource("objectstores")).Patch(w.t.Context(), store, types.MergePatchType,
		[]byte(`{"spec":{"retentionPolicy":"1d","configuration":{"wal":{"compression":"bzip2","maxParallel":2}}}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	must(w.t, err)
}

// objects are the database's objects of a resource of CNPG, without any of the provider's code.
func (w *world) objects(resource string) dynamic.ResourceInterface {
	w.t.Helper()
	return w.resource(cnpgv1.SchemeGroupVersion.WithResource(resource))
}

func (w *world) resource(resource schema.GroupVersionResource) dynamic.ResourceInterface {
	w.t.Helper()
	connection, err := cnpg.Connection{ConfigPaths: []string{env(w.t, "KUBE_CONFIG_PATH")}}.RESTConfig(w.t.Context())
	must(w.t, err)
	connection.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(connection)
	must(w.t, err)
	return client.Resource(resource).Namespace(w.namespace)
}

// patch changes the database "db", or its schedule, as kubectl edit and kubectl patch do.
func (w *world) patch(resource, manager, patch string) {
	w.t.Helper()
	_, err := w.objects(resource).Patch(w.t.Context(), "db", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager})
	must(w.t, err)
}

// fluxApplies applies fields of the database "db" by force, as another manager.
func (w *world) fluxApplies(fields string) {
	w.t.Helper()
	force := true
	body := strings.Replace(fields, "{", `{"apiVersion":"postgresql.cnpg.io/v1","kind":"Cluster","metadata":{"name":"db"},`, 1)
	_, err := w.objects("clusters").Patch(w.t.Context(), "db", types.ApplyPatchType, []byte(body), metav1.PatchOptions{FieldManager: "flux", Force: &force})
	must(w.t, err)
}
