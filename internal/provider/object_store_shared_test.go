package provider_test

import (
	"fmt"
	"reflect"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// appliedStore is what a field manager applies of an ObjectStore.
func (f *fakes) appliedStore(manager, name string, change func(*barmancloud.ObjectStoreSpec)) {
	f.t.Helper()
	theirs := &barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name}}
	change(&theirs.Spec)
	apitest.ApplyAs(f.kube, manager, theirs)
}

func (f *fakes) objectStore(name string) *barmancloud.ObjectStore {
	return apitest.Get[barmancloud.ObjectStore](f.kube, fakeNamespace, name)
}

// What another manager applies of the ObjectStore that the provider has made is its own to keep: an error names it and the field, and
// force_conflicts takes it over. What it states and no attribute says stays in either case.
func TestSettingsOfTheObjectStoreThatAnotherManagerStates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string // in the block backup
		theirs        func(*barmancloud.ObjectStoreSpec)
		field         string
		holds         func(barmancloud.ObjectStoreSpec) bool // whether the configuration does
	}{
		"a setting": {
			before: `wal = { compression = "gzip" }`, after: `wal = { compression = "snappy" }`,
			theirs: func(s *barmancloud.ObjectStoreSpec) {
				s.Configuration.Wal = &cnpgv1.WalBackupConfiguration{Compression: "zstd"}
			},
			field: ".spec.configuration.wal.compression",
			holds: func(s barmancloud.ObjectStoreSpec) bool { return s.Configuration.Wal.Compression == "snappy" },
		},
		"how long backups are kept": {
			before: `retention_days = 7`, after: `retention_days = 9`,
			theirs: func(s *barmancloud.ObjectStoreSpec) { s.RetentionPolicy = "3d" },
			field:  ".spec.retentionPolicy",
			holds:  func(s barmancloud.ObjectStoreSpec) bool { return s.RetentionPolicy == "9d" },
		},
		"where the archive lies": {
			before: `retention_days = 7`, after: `object_store = { destination_path = "s3://` + fakeBucket + `/moved" }`,
			theirs: func(*barmancloud.ObjectStoreSpec) {},
			field:  ".spec.configuration.destinationPath",
			holds: func(s barmancloud.ObjectStoreSpec) bool {
				return s.Configuration.DestinationPath == "s3://"+fakeBucket+"/moved"
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			config := func(backup, more string) string {
				return s.config(database("backup = { schedule = \"@daily\", method = \"plugin\", " + backup + " }\n" + unprotected + more))
			}
			s.apply(config(test.before, ""))
			own := s.objectStore("my-db-backup")
			s.appliedStore("argocd", own.Name, func(spec *barmancloud.ObjectStoreSpec) {
				spec.Configuration.DestinationPath = own.Spec.Configuration.DestinationPath // which the schema asks for
				spec.Configuration.Tags = map[string]string{"team": "a"}
				test.theirs(spec)
			})
			spec, cluster := s.objectStore(own.Name).Spec, s.cluster()
			for what, backup := range map[string]string{"changes": test.after, "puts it back": test.before} {
				if what != "changes" && test.field == ".spec.configuration.destinationPath" {
					continue // argocd says the same
				}
				s.fails(config(backup, ""), "Unable to Update Database", `AttributeName("force_conflicts")`,
					"ObjectStore myorg/my-db-backup: other field managers own "+test.field+` (owned by "argocd")`, "set force_conflicts = true")
				if now := s.objectStore(own.Name); now == nil || !reflect.DeepEqual(now.Spec, spec) {
					t.Errorf("an apply that %s has left %+v, not %+v", what, now, spec)
				}
				if now := s.cluster(); now.Generation != cluster.Generation {
					t.Errorf("an apply that %s has changed the Cluster", what)
				}
			}
			s.apply(config(test.after, forced))
			store := s.storeOf(apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db"))
			if !test.holds(store.Spec) || store.Spec.Configuration.Tags["team"] != "a" {
				t.Errorf("by force the ObjectStore %s says %+v", store.Name, store.Spec)
			}
			s.planned(config(test.after, forced), terraformtest.NoOp)
		})
	}
}

// Two databases that archive by one ObjectStore, which another tool applies, keep it for as long as it says what both are to say. One that
// is to say something else gets one of its own, with what no attribute has; the other one's archive stays as it is.
func TestDatabasesThatShareAnObjectStore(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.method = cnpg.MethodPlugin // of the Clusters that are put
	s := onStage(t, f)
	config := func(retention map[string]int, more string) string {
		text := s.provider("")
		for _, name := range []string{"a", "b"} {
			text += fmt.Sprintf(`
resource "pgplatform_database" %[1]q {
  name    = %[1]q
  storage = { size = "7Gi" }
  backup = {
    method             = "plugin"
    schedule           = "0 2 * * *"
    immediate          = false
    retention_days     = %[2]d
    object_store       = { destination_path = "s3://%[3]s/theirs", pod_endpoint_url = "https://s3.internal" }
    credentials_secret = { name = "theirs", access_key_id_key = "id", secret_access_key_key = "key" }
    server_name        = %[1]q
  }
  %[4]s
}
`, name, retention[name], fakeBucket, more)
		}
		return text
	}
	both := config(map[string]int{"a": 7, "b": 7}, "")
	s.w.Write(both)
	for _, name := range []string{"a", "b"} {
		theirs := &cnpgv1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name},
			Spec: cnpgv1.ClusterSpec{
				Instances: 1, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"},
				PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: map[string]string{"archive_timeout": "5min"}},
				Backup: &cnpgv1.BackupConfiguration{RetentionPolicy: "7d", BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{
					DestinationPath: "s3://" + fakeBucket + "/theirs", EndpointURL: "https://s3.internal", ServerName: name,
				}},
			},
		}
		selector := func(key string) *cnpgv1.SecretKeySelector {
			return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: "theirs"}, Key: key}
		}
		cnpg.Archiver(theirs).AWS = &cnpgv1.S3Credentials{AccessKeyIDReference: selector("id"), SecretAccessKeyReference: selector("key")}
		s.put(theirs, &cnpgv1.ScheduledBackup{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name},
			Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: name}},
		})
		if diags := s.w.Import(t.Context(), "pgplatform_database."+name, "myorg/"+name); diags.HasError() {
			t.Fatal(diags)
		}
	}
	shared := s.objectStore(sharedStore)
	s.appliedStore("argocd", sharedStore, func(spec *barmancloud.ObjectStoreSpec) {
		*spec = shared.DeepCopy().Spec
		spec.Configuration.Tags = map[string]string{"team": "a"}
	})
	version := s.objectStore(sharedStore).ResourceVersion
	s.kube.Forget()
	if plan, _ := s.plan(both); !plan.Empty() || len(s.kube.Writes()) > 0 {
		t.Errorf("of what is imported the plan is %s", plan)
	}
	stated := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "b")
	theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "b"}}
	theirs.Spec.Instances, theirs.Spec.Plugins = 1, stated.Spec.Plugins
	apitest.ApplyAs(s.kube, "argocd", theirs)

	uses := func(name string) string {
		return pluginOf(apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, name)).Parameters[barmancloud.ObjectStoreParameter]
	}
	other := map[string]int{"a": 7, "b": 9}
	s.fails(config(other, ""), "Unable to Update Database", `AttributeName("force_conflicts")`,
		`Cluster myorg/b: other field managers own`, `.spec.plugins (owned by "argocd")`, "set force_conflicts = true")
	if uses("a") != sharedStore || uses("b") != sharedStore || s.objectStore(sharedStore).ResourceVersion != version {
		t.Errorf("after the refusal they archive by %s and %s", uses("a"), uses("b"))
	}
	s.apply(config(other, forced))
	if uses("a") != sharedStore || uses("b") != "b-backup" || s.objectStore(sharedStore).ResourceVersion != version {
		t.Errorf("they archive by %s and %s", uses("a"), uses("b"))
	}
	if own := s.objectStore("b-backup"); own.Spec.RetentionPolicy != "9d" || own.Spec.Configuration.Tags["team"] != "a" {
		t.Errorf("the one of its own says %+v", own.Spec)
	}
	if left := s.objectStore("a-backup"); left != nil {
		t.Errorf("the other one has one of its own too: %+v", left.Spec)
	}
}
