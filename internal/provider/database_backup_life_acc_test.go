package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// Backups of a database that has none begin, change in every setting, move to a bucket of another account, end, and begin
// again. What is archived in one place stays there when the archive goes on in another.
func TestAccDatabase_backupsComeAndGo(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseBackupsComeAndGo)
}

func testAccDatabaseBackupsComeAndGo(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	account := root.account(w.namespace)
	root.give(account)
	other := strict(t)
	other.bucket = env(t, "PGPLATFORM_STRICT_OTHER_BUCKET")
	other.accessKeyID, other.secretAccessKey = env(t, "PGPLATFORM_STRICT_OTHER_ACCESS_KEY_ID"), env(t, "PGPLATFORM_STRICT_OTHER_SECRET_ACCESS_KEY")
	// Terraform sees both buckets as their owners' master; the pods have the key of one owner at a time.
	master := account
	master.accessKeyID, master.secretAccessKey = root.keys.AccessKeyID, root.keys.SecretAccessKey
	w.use(master)
	elsewhere := *w
	elsewhere.use(other)
	// Somebody has the folder of the database's name there.
	taken := w.namespace + "/db/base/20200101T000000/backup.info"
	root.put(other.bucket, taken, "status=DONE\n")
	_, err := w.core.Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "other-keys"},
		StringData: map[string]string{"ACCESS_KEY_ID": other.accessKeyID, "ACCESS_SECRET_KEY": other.secretAccessKey},
	}, metav1.CreateOptions{})
	must(t, err)

	const db = "pgplatform_database.db"
	config := func(backup string) string {
		if backup != "" {
			backup = "backup = {" + backup + "\n  }"
		}
		return w.configWith(fmt.Sprintf("pod_credentials = {\n  access_key_id = %q\n  secret_access_key = %q\n}", account.accessKeyID, account.secretAccessKey),
			fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name = "db"
  tier = "DEV"
  %s
  deletion_protection = false
}`, backup))
	}
	const (
		first   = `schedule = "0 2 * * *"`
		changed = `
    schedule        = "30 3 * * 7"
    retention_days  = 3
    archive_timeout = "1min"
    immediate       = false
    wal             = { compression = "gzip", max_parallel = 2 }
    data            = { compression = "bzip2", jobs = 3 }`
	)
	moved := changed + fmt.Sprintf(`
    object_store       = { destination_path = "s3://%s/%s" }
    credentials_secret = { name = "other-keys" }`, other.bucket, w.namespace)
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(db, plancheck.ResourceActionUpdate)}}
	folder := func(want string) resource.TestCheckFunc {
		return resource.TestMatchResourceAttr(db, "archive.server_name", regexp.MustCompile("^"+want+"$"))
	}
	// What the place that is left holds, of which nothing may change.
	var left map[string]string
	stays := func() error {
		now, err := root.objects(w.namespace, w.namespace+"/db/")
		for key, content := range left {
			if now[key] != content && err == nil {
				err = fmt.Errorf("%s in the folder that was left is not what it was", key)
			}
		}
		return err
	}
	var there, again string
	kubernetesSays := func(s store, folder, keys, settings string) error {
		return w.backsUp(fmt.Sprintf("s3://%s/%s %s at %s with %s; %s, suspended false", s.bucket, w.namespace, folder, s.podEndpoint, keys, settings))
	}
	const (
		plain    = "kept , wal  0, data  0; 0 0 2 * * *, immediate true"
		settings = "kept 3d, wal gzip 2, data bzip2 3; 0 30 3 * * 0, immediate false"
		own      = "db-backup-s3-creds"
	)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("db"), w.restorable("db"), elsewhere.restorable(there), w.restorable(again))
		}),
		Steps: []resource.TestStep{
			{
				Config: config(""),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckNoResourceAttr(db, "archive.server_name"),
					check(w.noBackups),
				),
			},
			{
				Config:           config(first),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					folder("db"),
					resource.TestCheckResourceAttr(db, "archive.continuous_archiving", "true"),
					check(func() error {
						return errors.Join(
							kubernetesSays(account, "db", own, plain),
							w.holdsKeys(account),
							w.setting("db", "archive_timeout", "5min"),
							w.eventually(func() error { return w.archived("db") }))
					}),
				),
			},
			{
				Config:           config(changed),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					folder("db"),
					check(func() error {
						if err := errors.Join(
							kubernetesSays(account, "db", own, settings),
							w.eventually(func() error { return w.setting("db", "archive_timeout", "1min") }),
							w.archives("db"),
						); err != nil {
							return err
						}
						var err error
						left, err = root.objects(w.namespace, w.namespace+"/db/")
						return errors.Join(err, holds(left, `/wals/.*/[0-9A-F]{24}\.gz$`))
					}),
				),
			},
			{ // the base backup that begins the folder there is complete when the apply is
				Config:           config(moved),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					folder(`db-\d{8}t\d{6}`),
					resource.TestCheckResourceAttr(db, "archive.destination_path", "s3://"+other.bucket+"/"+w.namespace),
					check(func() error {
						cluster, err := w.cluster("db")
						if err != nil {
							return err
						}
						there = cnpg.ServerName(cluster)
						objects, err := root.objects(other.bucket, w.namespace+"/"+there+"/")
						theirs, theirErr := root.objects(other.bucket, w.namespace+"/db/")
						if _, stays := theirs[taken]; len(theirs) != 1 || !stays {
							theirErr = errors.Join(theirErr, fmt.Errorf("somebody's folder holds %v", theirs))
						}
						return errors.Join(err, theirErr,
							kubernetesSays(other, there, "other-keys", settings),
							w.holdsKeys(store{}),
							w.hasStoresInUse(),
							elsewhere.restorable(there),
							holds(objects, `/base/[0-9T]+/data\.tar\.bz2$`),
							elsewhere.archives("db"),
							stays())
					}),
				),
			},
			{
				Config:           config("enabled = false"),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckNoResourceAttr(db, "archive.server_name"),
					check(w.noBackups),
				),
			},
			{
				Config:           config(first),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					folder(`db-\d{8}t\d{6}`),
					check(func() error {
						cluster, err := w.cluster("db")
						if err != nil {
							return err
						}
						again = cnpg.ServerName(cluster)
						return errors.Join(
							kubernetesSays(account, again, own, plain),
							w.holdsKeys(account),
							w.hasStoresInUse(),
							w.eventually(func() error { return w.setting("db", "archive_timeout", "5min") }),
							w.eventually(func() error { return w.archived(again) }),
							w.archives("db"),
							stays())
					}),
				),
			},
		},
	})
}

// backsUp compares what Kubernetes says of the backups of the database "db" with what is wanted.
func (w *world) backsUp(want string) error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	scheduled, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("db"))
	if err != nil {
		return err
	}
	store := cnpg.Archiver(cluster)
	if store == nil || store.AWS == nil || store.AWS.AccessKeyIDReference == nil {
		return fmt.Errorf("the Cluster's backup is %+v", cluster.Spec.Backup)
	}
	wal, data := ptr.Deref(store.Wal, cnpgv1.WalBackupConfiguration{}), ptr.Deref(store.Data, cnpgv1.DataBackupConfiguration{})
	is := fmt.Sprintf("%s %s at %s with %s; kept %s, wal %s %d, data %s %d; %s, immediate %t, suspended %t",
		store.DestinationPath, store.ServerName, store.EndpointURL, store.AWS.AccessKeyIDReference.Name,
		cluster.Spec.Backup.RetentionPolicy, wal.Compression, wal.MaxParallel, data.Compression, ptr.Deref(data.Jobs, 0),
		scheduled.Spec.Schedule, ptr.Deref(scheduled.Spec.Immediate, false), ptr.Deref(scheduled.Spec.Suspend, false))
	if is != want {
		return fmt.Errorf("Kubernetes says\n%s, not\n%s", is, want)
	}
	return nil
}

// noBackups: nothing of backups is left in Kubernetes, and PostgreSQL archives in CNPG's own time.
func (w *world) noBackups() error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	if cluster.Spec.Backup != nil {
		return fmt.Errorf("the Cluster's backup is %+v", cluster.Spec.Backup)
	}
	if _, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("db")); !errors.Is(err, cnpg.ErrNotFound) {
		return fmt.Errorf("there is a ScheduledBackup: %w", err)
	}
	if _, err := w.core.Secrets(w.namespace).Get(w.t.Context(), "db-backup-s3-creds", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("there is a Secret with keys: %w", err)
	}
	return w.eventually(func() error { return w.setting("db", "archive_timeout", "5min") })
}

// holdsKeys: the provider's Secret has the keys, none where the store has none, and the region.
func (w *world) holdsKeys(of store) error {
	secret, err := w.core.Secrets(w.namespace).Get(w.t.Context(), "db-backup-s3-creds", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if string(secret.Data["ACCESS_KEY_ID"]) != of.accessKeyID || string(secret.Data["ACCESS_SECRET_KEY"]) != of.secretAccessKey || string(secret.Data["REGION"]) != "us-east-1" {
		return errors.New("the provider's Secret does not hold the keys and the region")
	}
	return nil
}

// hasStoresInUse: the ObjectStores are those that the Cluster "db" names; in-tree there are none.
func (w *world) hasStoresInUse() error {
	raw, err := w.objects("clusters").Get(w.t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		return err
	}
	plugins, _, err := unstructured.NestedSlice(raw.Object, "spec", "plugins")
	if err != nil {
		return err
	}
	var named, found []string
	for _, plugin := range plugins {
		entry, _ := plugin.(map[string]any)
		name, _, err := unstructured.NestedString(entry, "parameters", barmancloud.ObjectStoreParameter)
		if err != nil {
			return err
		}
		named = append(named, name)
	}
	stores, err := w.resource(barmancloud.SchemeGroupVersion.WithResource("objectstores")).List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, store := range stores.Items {
		found = append(found, store.GetName())
	}
	if !slices.Equal(found, named) || (methodOf(w.t) == cnpg.MethodPlugin) != (len(found) == 1) {
		return fmt.Errorf("the ObjectStores are %v, and the Cluster names %v", found, named)
	}
	return nil
}

// holds: among the objects is one whose key looks like this.
func holds(objects map[string]string, key string) error {
	for k := range objects {
		if regexp.MustCompile(key).MatchString(k) {
			return nil
		}
	}
	return fmt.Errorf("no %s among %v", key, objects)
}
