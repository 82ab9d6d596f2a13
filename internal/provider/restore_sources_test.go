package provider_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The Secrets of a restored database.
const (
	keysToWrite = "my-db-pitr-backup-s3-creds"
	keysToRead  = "my-db-pitr-origin-s3-creds"
	bothKeys    = "ACCESS_KEY_ID ACCESS_SECRET_KEY REGION of " + s3test.AccessKeyID + " in " + s3test.Region
)

// with are the keys in a Secret that the provider writes, as readsAs says them.
func with(secret string) string {
	return secret + "/ACCESS_KEY_ID, " + secret + "/ACCESS_SECRET_KEY, " + secret + "/REGION"
}

// sourceCase is a source, and how the pods of a database that is restored from it read its archive.
type sourceCase struct {
	prepare  func(*fakes)
	provider string // in its object_store
	bare     bool   // the provider's object_store has no destination_path
	config   string
	reads    string
	secrets  map[string]string
	base     string // base_backup_id, where it is not the newest
	server   string // source_server_name, where it is not my-db-v1
	from     string // the annotation restored-from, where it is not the database
	target   string // the recovery target, where it is none
}

// backupDone is the Backup object of the source's first base backup.
func (f *fakes) backupDone(change func(*cnpgv1.Backup)) *cnpgv1.Backup {
	backup := &cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "first"},
		Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}, Method: cnpgv1.BackupMethodBarmanObjectStore},
		Status: cnpgv1.BackupStatus{
			Phase: cnpgv1.BackupPhaseCompleted, BackupID: "20260326T095900", ServerName: "my-db-v1",
			DestinationPath: "s3://" + fakeBucket + "/pg", EndpointURL: f.s3.URL,
		},
	}
	if change != nil {
		change(backup)
	}
	return backup
}

// ofThePast is a Backup that is older than any Cluster that there is.
func ofThePast(b *cnpgv1.Backup) { b.Status.StartedAt = ptr.To(metav1.NewTime(onTheDay(9, 59))) }

var restoreSources = map[string]sourceCase{
	"a living database": {
		config: restoreOf(""), reads: "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
	},
	"a living database, not backed up then": {
		config: restoreOf("backup = { enabled = false }"), reads: "s3://backups/pg my-db-v1, " + with(keysToRead), secrets: map[string]string{keysToRead: bothKeys},
	},
	"a living database, into another namespace": {
		prepare: func(f *fakes) { f.kube.AddNamespace("other") },
		config:  restoreOf("namespace = \"other\""), reads: "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
	},
	"a living database, archiving elsewhere then": {
		prepare: func(f *fakes) { f.s3.CreateBucket("elsewhere") },
		config:  restoreOf(`backup = { schedule = "@daily", object_store = { destination_path = "s3://elsewhere/x" } }`),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
	},
	"a living database, archiving in another region then": {
		prepare: func(f *fakes) { f.s3.CreateBucket("elsewhere") },
		config:  restoreOf(`backup = { schedule = "@daily", object_store = { destination_path = "s3://elsewhere/x", region = "eu-west-1" } }`),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToRead),
		secrets: map[string]string{keysToWrite: strings.ReplaceAll(bothKeys, s3test.Region, "eu-west-1"), keysToRead: bothKeys},
	},
	"a database with a Secret of its user": {
		prepare: func(f *fakes) { f.sourceKeys("my-keys") },
		config:  restoreOf(""),
		reads:   "s3://backups/pg my-db-v1, my-keys/id, my-keys/secret, " + keysToWrite + "/REGION",
		secrets: map[string]string{keysToWrite: "REGION in us-east-1"},
	},
	"a database with a Secret of its user, not backed up then": {
		prepare: func(f *fakes) { f.sourceKeys("my-keys") },
		config:  restoreOf("backup = { enabled = false }"),
		reads:   "s3://backups/pg my-db-v1, my-keys/id, my-keys/secret, " + keysToRead + "/REGION",
		secrets: map[string]string{keysToRead: "REGION in us-east-1"},
	},
	"a database with a Secret of its user, into another namespace": {
		prepare: func(f *fakes) { f.kube.AddNamespace("other"); f.sourceKeys("my-keys") },
		config:  restoreOf("namespace = \"other\""),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
	},
	"a database with a Secret of its user, and another one to read with": {
		prepare: func(f *fakes) { f.sourceKeys("my-keys") },
		config:  restoreFrom(`database = "myorg/my-db", credentials_secret = { name = "readers" }`, ""),
		reads:   "s3://backups/pg my-db-v1, readers/ACCESS_KEY_ID, readers/ACCESS_SECRET_KEY, " + keysToWrite + "/REGION",
		secrets: map[string]string{keysToWrite: "REGION in us-east-1"},
	},
	"a Secret to read with beside own keys to write with": {
		config:  restoreFrom(`database = "myorg/my-db", credentials_secret = { name = "readers", access_key_id_key = "id", secret_access_key_key = "key" }`, ""),
		reads:   "s3://backups/pg my-db-v1, readers/id, readers/key, " + keysToRead + "/REGION",
		secrets: map[string]string{keysToWrite: bothKeys, keysToRead: "REGION in us-east-1"},
	},
	"own keys to read with beside a Secret to write with": {
		config:  restoreOf(`backup = { schedule = "@daily", credentials_secret = { name = "writers" } }`),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToRead),
		secrets: map[string]string{keysToWrite: "REGION in us-east-1", keysToRead: bothKeys},
	},
	"a role of the pods": {
		provider: "pod_iam_role_arn = \"" + podRole + "\"",
		config:   restoreOf(""), reads: "s3://backups/pg my-db-v1, role, " + podRole,
	},
	"a role of the pods, not backed up then": {
		provider: "pod_iam_role_arn = \"" + podRole + "\"",
		config:   restoreOf("backup = { enabled = false }"), reads: "s3://backups/pg my-db-v1, role, " + podRole,
	},
	"a role of the pods to read with beside a Secret to write with": {
		provider: "pod_iam_role_arn = \"" + podRole + "\"",
		config:   restoreOf(`backup = { schedule = "@daily", credentials_secret = { name = "writers" } }`),
		reads:    "s3://backups/pg my-db-v1, role, " + podRole, secrets: map[string]string{keysToWrite: "REGION in us-east-1"},
	},
	"keys of the pods": {
		provider: `pod_credentials = { access_key_id = "PODSACCESSKEY0000001", secret_access_key = "of-pods" }`,
		config:   restoreOf(""), reads: "s3://backups/pg my-db-v1, " + with(keysToWrite),
		secrets: map[string]string{keysToWrite: strings.ReplaceAll(bothKeys, s3test.AccessKeyID, "PODSACCESSKEY0000001")},
	},
	"a database whose object store is another one": {
		prepare: func(f *fakes) {
			f.moveSource("elsewhere", "old")
			f.edit(apitest.Controller, "my-db", func(c *cnpgv1.Cluster) {
				c.Spec.Backup.BarmanObjectStore.DestinationPath = "s3://elsewhere/old"
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, cnpg.AnnotationObjectStore, `{"destination_path":"s3://elsewhere/old","region":"eu-west-1"}`)
			})
		},
		config: restoreOf(""), reads: "s3://elsewhere/old my-db-v1, " + with(keysToWrite),
		secrets: map[string]string{keysToWrite: strings.ReplaceAll(bothKeys, s3test.Region, "eu-west-1")},
	},
	"a backup of a living database": {
		prepare: func(f *fakes) { f.kube.Put(f.backupDone(nil)) },
		config:  restoreFrom(`backup = "myorg/first"`, ""),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
		base: "20260326T095900", target: "immediate",
	},
	"a backup of a database that is gone": {
		prepare: func(f *fakes) { f.sourceGone(); f.kube.Put(f.backupDone(nil)) },
		config:  restoreFrom(`backup = "myorg/first"`, goneDatabase),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
		base: "20260326T095900", target: "immediate", from: "s3://backups/pg/my-db-v1",
	},
	"a backup of a database whose name another one has by now": {
		prepare: func(f *fakes) { f.kube.Put(f.backupDone(ofThePast)) },
		config:  restoreFrom(`backup = "myorg/first"`, strings.Replace(goneDatabase, "shop", "former", 1)),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
		base: "20260326T095900", target: "immediate", from: "s3://backups/pg/my-db-v1",
	},
	"a backup of a database that archives elsewhere by now": {
		prepare: func(f *fakes) {
			f.kube.Put(f.backupDone(nil))
			f.edit(apitest.Controller, "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.ServerName = "my-db-v2" })
		},
		config: restoreFrom(`backup = "myorg/first"`, "target_time = \"2026-03-26T11:30:00Z\""),
		reads:  "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys},
		base: "20260326T095900", target: "2026-03-26 11:30:00.000000+00:00",
	},
	"a place in the provider's bucket": {
		prepare: (*fakes).sourceGone,
		config:  restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase),
		reads:   "s3://backups/pg my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys}, from: "s3://backups/pg/my-db-v1",
	},
	"a place in another bucket, under another prefix": {
		prepare: func(f *fakes) { f.sourceGone(); f.moveSource("elsewhere", "old/one") },
		config:  restoreFrom(`object_store = { destination_path = "s3://elsewhere/old/one", server_name = "my-db-v1" }`, goneDatabase),
		reads:   "s3://elsewhere/old/one my-db-v1, " + with(keysToWrite), secrets: map[string]string{keysToWrite: bothKeys}, from: "s3://elsewhere/old/one/my-db-v1",
	},
	"a place in another region": {
		prepare: func(f *fakes) { f.sourceGone(); f.moveSource("elsewhere", "old") },
		config:  restoreFrom(`object_store = { destination_path = "s3://elsewhere/old", region = "eu-west-1", server_name = "my-db-v1" }`, goneDatabase),
		reads:   "s3://elsewhere/old my-db-v1, " + with(keysToRead), from: "s3://elsewhere/old/my-db-v1",
		secrets: map[string]string{keysToWrite: bothKeys, keysToRead: strings.ReplaceAll(bothKeys, s3test.Region, "eu-west-1")},
	},
	"a place that the provider names no path for": {
		prepare: (*fakes).sourceGone, bare: true,
		config: restoreFrom(`object_store = { destination_path = "s3://backups/pg", server_name = "my-db-v1" }`,
			strings.Replace(goneDatabase, `backup = { schedule = "0 0 3 * * *" }`, "backup = { enabled = false }", 1)),
		reads: "s3://backups/pg my-db-v1, " + with(keysToRead), secrets: map[string]string{keysToRead: bothKeys}, from: "s3://backups/pg/my-db-v1",
	},
	"a place, with a Secret to read with": {
		prepare: (*fakes).sourceGone,
		config:  restoreFrom(`object_store = { server_name = "my-db-v1" }, credentials_secret = { name = "readers" }`, goneDatabase),
		reads:   "s3://backups/pg my-db-v1, readers/ACCESS_KEY_ID, readers/ACCESS_SECRET_KEY, " + keysToRead + "/REGION",
		secrets: map[string]string{keysToWrite: bothKeys, keysToRead: "REGION in us-east-1"}, from: "s3://backups/pg/my-db-v1",
	},
	"a place, with the Secret to write with": {
		prepare: func(f *fakes) { f.sourceGone(); f.s3.AnyKey() }, provider: "session_token = \"temporary\"",
		config:  restoreFrom(`object_store = { server_name = "my-db-v1" }`, strings.Replace(goneDatabase, `{ schedule = "0 0 3 * * *" }`, `{ schedule = "@daily", credentials_secret = { name = "writers" } }`, 1)),
		reads:   "s3://backups/pg my-db-v1, writers/ACCESS_KEY_ID, writers/ACCESS_SECRET_KEY, " + keysToWrite + "/REGION",
		secrets: map[string]string{keysToWrite: "REGION in us-east-1"}, from: "s3://backups/pg/my-db-v1",
	},
}

// sourceKeys gives the source keys from a Secret of its user.
func (f *fakes) sourceKeys(secret string) {
	selector := func(key string) *cnpgv1.SecretKeySelector {
		return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: secret}, Key: key}
	}
	f.edit(apitest.Controller, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Backup.BarmanObjectStore.AWS = &cnpgv1.S3Credentials{AccessKeyIDReference: selector("id"), SecretAccessKeyReference: selector("secret")}
	})
}

// moveSource moves the source's archive to another bucket and prefix.
func (f *fakes) moveSource(bucket, prefix string) {
	for _, key := range f.s3.Keys(fakeBucket, "pg/my-db-v1/") {
		f.s3.Delete(fakeBucket, key)
	}
	archiveOfSource(f.t, f.s3.Archive(bucket, prefix, "my-db-v1"))
}

func TestRestoreSources(t *testing.T) {
	t.Parallel()
	for name, test := range restoreSources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			if test.prepare != nil {
				test.prepare(f)
			}
			config := f.provider(test.provider) + test.config + "\n"
			if test.bare {
				config = strings.Replace(config, fmt.Sprintf("destination_path  = \"s3://%s/pg\"", fakeBucket), "", 1)
			}
			config = strings.Replace(config, "source = {", unprotected+"  source = {", 1)
			s := onStage(t, f)
			s.apply(config)
			namespace := s.at("namespace")
			c := apitest.Get[cnpgv1.Cluster](f.kube, namespace, "my-db-pitr")
			if got := readsAs(c); got != test.reads {
				t.Errorf("the pods read\n%s, want\n%s", got, test.reads)
			}
			if got := f.secretsOf(namespace); !maps.Equal(got, test.secrets) {
				t.Errorf("the Secrets are %v, want %v", got, test.secrets)
			}
			if got, want := c.Annotations[cnpg.AnnotationSource], or(test.from, "myorg/my-db"); got != want {
				t.Errorf("restored from %q, want %q", got, want)
			}
			base, server := or(test.base, "20260326T115900"), or(test.server, "my-db-v1")
			target := c.Spec.Bootstrap.Recovery.RecoveryTarget
			if got := s.at("base_backup_id"); got != base || target.BackupID != base {
				t.Errorf("begins from %s, in Kubernetes %s, want %s", got, target.BackupID, base)
			}
			if got := s.at("source_server_name"); got != server {
				t.Errorf("the source's folder is %s, want %s", got, server)
			}
			immediate := ""
			if target.TargetImmediate != nil && *target.TargetImmediate {
				immediate = "immediate"
			}
			if got := target.TargetTime + immediate; got != test.target {
				t.Errorf("the target is %q, want %q", got, test.target)
			}
			// What was made goes.
			s.w.Write(f.config(""))
			if diags := s.w.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			if left := f.secretsOf(namespace); len(left) > 0 || apitest.Get[cnpgv1.Cluster](f.kube, namespace, "my-db-pitr") != nil {
				t.Errorf("a destroy leaves %v", left)
			}
		})
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// A database that is gone is restored by its place without any question about it to Kubernetes.
func TestRestoreFromAPlaceAsksNothingOfTheSource(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t) // the source is there, and nobody looks
	s.kube.Forget()
	s.apply(s.config(restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase)))
	asked := 0
	for _, request := range apitest.Summaries(s.kube.Requests()) {
		if strings.HasSuffix(request, "myorg/my-db") || strings.HasSuffix(request, "myorg/my-db-1") {
			t.Errorf("asked: %s", request)
		}
		if strings.HasSuffix(request, "myorg/my-db-pitr") {
			asked++
		}
	}
	if asked == 0 {
		t.Error("no request for the restored database was recorded")
	}
}

// A path in S3 can be written in several ways. The first one is kept; another one restores nothing anew and changes nothing,
// also after an import. Another path does.
func TestRestoreSourceWritings(t *testing.T) {
	t.Parallel()
	for _, writings := range [][]string{
		{"s3://attic/pg", "s3://attic/pg/", "s3://attic//pg"},
		{"s3://attic/pg/", "s3://attic/pg"},
		{"s3://attic", "s3://attic/", "s3://attic//"},
	} {
		t.Run(writings[0], func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			f.moveSource("attic", strings.Trim(strings.TrimPrefix(writings[0], "s3://attic"), "/"))
			f.s3.CreateBucket("garret")
			s := onStage(t, f)
			config := func(of, to string) string {
				return s.config(restoreFrom(fmt.Sprintf(`object_store = { destination_path = %q, server_name = "my-db-v1" }`, of),
					strings.Replace(goneDatabase, "schedule = ", fmt.Sprintf(`object_store = { destination_path = %q }, schedule = `, to), 1)))
			}
			first := writings[0]
			s.apply(config(first, first))
			for _, writing := range writings[1:] {
				for _, config := range []string{config(writing, first), config(first, writing), config(writing, writing)} {
					if plan, _ := s.plan(config); !plan.Empty() {
						t.Errorf("with %s the plan is\n%s", writing, plan)
					}
				}
				s.importable(config(writing, writing))
			}
			if got := s.at("source", "object_store", "destination_path"); got != first {
				t.Errorf("the state has %s", got)
			}
			s.refused(config("s3://garret", first), "Database Is Protected")
			if action := s.action(config(first, "s3://garret")); action != terraformtest.Update {
				t.Errorf("with another path to archive to the plan is to %s", action)
			}
		})
	}
}

// An archive in another store is read as that store wants it, here and by the pods.
func TestRestoreFromAnotherStore(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreFromAnotherStore)
}

func testRestoreFromAnotherStore(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.sourceGone()
	other := s3test.NewTLS(t)
	archiveOfSource(t, other.Archive("old", "", "shop"))
	s.apply(s.config(restoreFrom(fmt.Sprintf(`object_store = {
		destination_path = "s3://old", endpoint_url = %q, pod_endpoint_url = "https://s3.in-cluster.example", region = "eu-west-1"
		use_path_style = true, ca_certificate = %q, server_name = "shop"
	}`, other.URL, other.CA), goneDatabase)))
	c := s.restored()
	if got, want := readsAs(c), "s3://old shop, "+with(keysToRead)+", "+keysToRead+"/ca.crt"; got != want {
		t.Errorf("the pods read\n%s, want\n%s", got, want)
	}
	if got := c.Spec.ExternalClusters[0].BarmanObjectStore.EndpointURL; got != "https://s3.in-cluster.example" {
		t.Errorf("the pods read at %s", got)
	}
	want := map[string]string{keysToWrite: bothKeys, keysToRead: "ACCESS_KEY_ID ACCESS_SECRET_KEY REGION ca.crt of " + s3test.AccessKeyID + " in eu-west-1"}
	if got := s.secretsOf(fakeNamespace); !maps.Equal(got, want) {
		t.Errorf("the Secrets are %v, want %v", got, want)
	}
	if c.Spec.Backup.BarmanObjectStore.DestinationPath != "s3://backups/pg" || c.Spec.Backup.BarmanObjectStore.EndpointURL != s.s3.URL || c.Spec.Backup.BarmanObjectStore.EndpointCA != nil {
		t.Errorf("it archives as %+v", c.Spec.Backup.BarmanObjectStore)
	}
}

// The environment's region reaches the pods, too, whatever the source is.
func TestRestoreInTheEnvironmentsRegion(t *testing.T) {
	t.Setenv("AWS_REGION", s3test.Region)
	for name, source := range map[string]string{
		"a living database": `database = "myorg/my-db"`, "a backup": `backup = "myorg/first"`, "a place": `object_store = { server_name = "my-db-v1" }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			attributes := ""
			if !strings.HasPrefix(source, "database") {
				s.sourceGone()
				s.kube.Put(s.backupDone(nil))
				attributes = goneDatabase
			}
			s.apply(strings.Replace(s.config(restoreFrom(source, attributes)), fmt.Sprintf("region            = %q", s3test.Region), "", 1))
			if got, want := readsAs(s.restored()), "s3://backups/pg my-db-v1, "+with(keysToWrite); got != want {
				t.Errorf("the pods read\n%s, want\n%s", got, want)
			}
		})
	}
}

// What is no source is refused when it is planned.
func TestRestoreSourcesRefused(t *testing.T) {
	t.Parallel()
	fromBackup := restoreFrom(`backup = "myorg/first"`, "")
	tests := map[string]struct {
		prepare  func(*fakes)
		provider string
		bare     bool
		config   string
		want     []string
	}{
		"a backup that runs": {
			prepare: func(f *fakes) {
				f.kube.Put(f.backupDone(func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseRunning }))
			},
			config: fromBackup, want: []string{"Backup Cannot Be Restored", `AttributeName("source").AttributeName("backup")`, `source.backup: the backup myorg/first is not completed: it is in phase "running"`},
		},
		"a backup that has failed": {
			prepare: func(f *fakes) {
				f.kube.Put(f.backupDone(func(b *cnpgv1.Backup) { b.Status.Phase, b.Status.Error = cnpgv1.BackupPhaseFailed, "the disk is full" }))
			},
			config: fromBackup, want: []string{"Backup Cannot Be Restored", "source.backup", `it is in phase "failed"`, "the disk is full"},
		},
		"a backup that is missing": {
			config: fromBackup, want: []string{"Unable to Read the Source", "source.backup: Backup myorg/first: not found", "source.object_store restores it with its backup_id"},
		},
		"a snapshot of volumes": {
			prepare: func(f *fakes) {
				f.kube.Put(f.backupDone(func(b *cnpgv1.Backup) {
					b.Spec.Method, b.Status = cnpgv1.BackupMethodVolumeSnapshot, cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseCompleted}
				}))
			},
			config: fromBackup, want: []string{"Backup Cannot Be Restored", "source.backup", `by the method "volumeSnapshot"`, "does not lie in an object store"},
		},
		"a backup of a database whose name another one has by now": {
			prepare: func(f *fakes) { f.kube.Put(f.backupDone(ofThePast)) },
			config:  fromBackup, want: []string{"Not Known of a Database That Is Gone", `AttributeName("database_name")`, `AttributeName("owner")`},
		},
		"a backup in another store, of a database that is gone": {
			prepare: func(f *fakes) {
				f.sourceGone()
				f.kube.Put(f.backupDone(func(b *cnpgv1.Backup) { b.Status.DestinationPath = "s3://backup/pg" }))
			},
			config: restoreFrom(`backup = "myorg/first"`, goneDatabase),
			want: []string{"Restore Cannot Succeed", "source.backup", `bucket "backup" does not exist`, "the provider's endpoint and identity were asked",
				`destination_path = "s3://backup/pg", server_name = "my-db-v1"`, `backup_id = "20260326T095900"`},
		},
		"a place without a path": {
			bare: true, config: restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase),
			want: []string{"Missing Destination Path", `AttributeName("source").AttributeName("object_store").AttributeName("destination_path")`},
		},
		"a place where there is no such archive": {
			config: restoreFrom(`object_store = { server_name = "my-shop" }`, goneDatabase),
			want:   []string{"Restore Cannot Succeed", "source.object_store", "the archive has no base backup", "There is no archive my-shop in s3://backups/pg. There are: my-db-v1."},
		},
		"a base backup of an archive that is not there": {
			config: restoreFrom(`object_store = { server_name = "my-shop" }`, goneDatabase+"  backup_id = \"20260326T095900\"\n"),
			want:   []string{"Restore Cannot Succeed", "There is no backup 20260326T095900", "There is no archive my-shop in s3://backups/pg. There are: my-db-v1."},
		},
		"a place where there is no archive at all": {
			config: restoreFrom(`object_store = { destination_path = "s3://backups/old", server_name = "my-shop" }`, goneDatabase),
			want:   []string{"Restore Cannot Succeed", "There is no archive my-shop in s3://backups/old, nor any other."},
		},
		"a bucket that is missing": {
			config: restoreFrom(`object_store = { destination_path = "s3://backup/pg", server_name = "my-db-v1" }`, goneDatabase),
			want:   []string{"Restore Cannot Succeed", "source.object_store", `bucket "backup" does not exist; these credentials see backups`},
		},
		"without keys for the pods": {
			provider: "session_token = \"temporary\"",
			config:   restoreOf("backup = { enabled = false }"),
			want:     []string{"No Keys for the Database Pods", "source", "source.credentials_secret"},
		},
		"without keys for the pods to write with": {
			provider: "session_token = \"temporary\"",
			config:   restoreFrom(`database = "myorg/my-db", credentials_secret = { name = "readers" }`, ""),
			want:     []string{"No Keys for the Database Pods", "backup", "backup.credentials_secret"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			if test.provider != "" { // keys that expire work for the plan
				f.s3.AnyKey()
			}
			if test.prepare != nil {
				test.prepare(f)
			}
			config := f.provider(test.provider) + test.config
			if test.bare {
				config = strings.Replace(config, fmt.Sprintf("destination_path  = \"s3://%s/pg\"", fakeBucket), "", 1)
			}
			onStage(t, f).refused(config, test.want...)
		})
	}
}

// A source that a plan has nothing against: the positive control of the refusals.
func TestRestoreSourceNotRefused(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.kube.Put(s.backupDone(nil))
	if action := s.action(s.config(restoreFrom(`backup = "myorg/first"`, ""))); action != terraformtest.Create {
		t.Errorf("the plan is %q", action)
	}
}
