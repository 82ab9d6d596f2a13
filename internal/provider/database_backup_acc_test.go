package provider_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// The backups of one database on the S3 that is strict about keys: compressed; with a key that is rotated and then revoked;
// with a Secret of the user's; in another folder; and with an IAM role. No pod is restarted for any of it.
func TestAccDatabase_backups(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccDatabaseBackups)
}

func testAccDatabaseBackups(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	first, second := root.account(w.namespace), root.account(w.namespace)
	root.give(first)
	w.use(first)
	rotated := *w
	rotated.use(second)
	database := func(block string) string {
		return fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name   = "db"
  org_id = "acme"
  tier   = "DEV"
  backup = {
    schedule        = "0 2 * * *"
    retention_days  = 7
    archive_timeout = "1min"
    wal             = { compression = "gzip", max_parallel = 2 }
    data            = { compression = "gzip", jobs = 1 }
    %s
  }
  deletion_protection = false
}`, block)
	}
	const own = `credentials_secret = { name = "my-keys", access_key_id_key = "id" }`
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate)}}
	var pods map[string]int32
	var segment string
	stillRunning := func() error {
		now, err := w.restarts("db")
		if err != nil || !maps.Equal(now, pods) {
			return fmt.Errorf("the pods and their restarts were %v, and are %v: %w", pods, now, err)
		}
		return nil
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: w.config(database("")),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return w.archived("db") }); err != nil {
						return err
					}
					pods, err = w.restarts("db")
					return errors.Join(err, w.checkCompressed(root, "db"), w.setting("db", "archive_timeout", "1min"))
				}),
			},
			{ // the key is rotated; the apply has seen that WAL arrives with the new one
				PreConfig: func() {
					root.give(second)
					must(t, w.eventually(func() (err error) { // archive_timeout may end one just now
						if segment, err = w.query("db", "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"); err != nil {
							return err
						}
						if there, err := rotated.s3.HasSegment(t.Context(), w.location(), "db", segment); err != nil || there {
							return fmt.Errorf("the segment that is being written is in S3: %t, %w", there, err)
						}
						return nil
					}))
				},
				Config:           rotated.config(database("")),
				ConfigPlanChecks: update,
				Check: check(func() error {
					if there, err := rotated.s3.HasSegment(t.Context(), w.location(), "db", segment); err != nil || !there {
						return fmt.Errorf("the apply is done, and the segment %s is not in S3: %w", segment, err)
					}
					root.revoke(first)
					return errors.Join(w.refused(), rotated.archives("db"), stillRunning())
				}),
			},
			{ // the keys come from a Secret of the user's
				PreConfig: func() {
					_, err := w.core.Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
						ObjectMeta: metav1.ObjectMeta{Name: "my-keys", Labels: map[string]string{cnpg.LabelReload: "true"}},
						StringData: map[string]string{"id": second.accessKeyID, "ACCESS_SECRET_KEY": second.secretAccessKey},
					}, metav1.CreateOptions{})
					must(t, err)
				},
				Config:           rotated.config(database(own)),
				ConfigPlanChecks: update,
				Check: check(func() error {
					secret, err := w.core.Secrets(w.namespace).Get(t.Context(), "db-backup-s3-creds", metav1.GetOptions{})
					if err != nil || len(secret.Data) != 1 || string(secret.Data["REGION"]) != "us-east-1" {
						return fmt.Errorf("the provider's Secret holds %d values, not the region alone: %w", len(secret.Data), err)
					}
					return errors.Join(rotated.archives("db"), stillRunning())
				}),
			},
			{ // another folder, whose first base backup is complete when the apply is
				Config:           rotated.config(database(own + "\nserver_name = \"moved\"")),
				ConfigPlanChecks: update,
				Check: check(func() error {
					return errors.Join(rotated.archived("moved"), rotated.restorable("moved"), rotated.archives("db"), w.begins("db"), stillRunning())
				}),
			},
			{ // a role, which nobody gives out here
				Config: rotated.configWith(`pod_iam_role_arn = "arn:aws:iam::123456789012:role/pods"`,
					strings.Replace(database(`server_name = "moved"`), "org_id", "wait = false\n  org_id", 1)),
				ConfigPlanChecks: update,
				Check:            check(func() error { return w.eventually(w.checkRole) }),
			},
		},
	})
}

// restarts are the pods of a database by their UIDs, with how often their containers were restarted.
func (w *world) restarts(name string) (map[string]int32, error) {
	pods, err := w.core.Pods(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name + ",cnpg.io/podRole=instance"})
	if err != nil || len(pods.Items) == 0 {
		return nil, fmt.Errorf("no pods of %s: %w", name, err)
	}
	restarts := map[string]int32{}
	for _, pod := range pods.Items {
		for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			restarts[string(pod.UID)+" "+container.Name] = container.RestartCount
		}
	}
	return restarts, nil
}

// archives: what is committed now reaches the archive, in the place that the Cluster names.
func (w *world) archives(name string) error {
	cluster, err := w.cluster(name)
	if err != nil {
		return err
	}
	location, err := archive.ParseDestinationPath(cnpg.Archiver(cluster).DestinationPath)
	if err != nil {
		return err
	}
	var segment string
	return w.eventually(func() (err error) {
		if segment == "" { // PostgreSQL may be being restarted
			flushed, err := w.kubernetes.Flush(w.t.Context(), w.key(name))
			if err != nil {
				return err
			}
			segment = flushed.Segment
		}
		if there, err := w.s3.HasSegment(w.t.Context(), location, cnpg.ServerName(cluster), segment); err != nil || !there {
			return fmt.Errorf("segment %s is not in %s, folder %s: %w", segment, location, cnpg.ServerName(cluster), err)
		}
		return nil
	})
}

// refused: the store no longer takes this account's key.
func (w *world) refused() error {
	var refused *archive.CredentialsError
	if err := w.s3.CheckBucket(w.t.Context(), w.store.bucket); !errors.As(err, &refused) {
		return fmt.Errorf("the revoked key is not refused: %w", err)
	}
	return nil
}

// checkCompressed looks at what the backup block stands for in the Cluster and in the names of the objects in S3.
func (w *world) checkCompressed(root *strictRoot, server string) error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	if cluster.Spec.Backup.RetentionPolicy != "7d" || cluster.Spec.Backup.BarmanObjectStore.Wal.MaxParallel != 2 {
		return fmt.Errorf("the Cluster's backup is %+v", cluster.Spec.Backup)
	}
	keys, err := root.objects(w.store.bucket, w.namespace+"/"+server+"/")
	if err != nil {
		return err
	}
	segments, bases := 0, 0
	for key := range keys {
		name := key[strings.LastIndex(key, "/")+1:]
		file, wal := recovery.ParseWALFile(name)
		switch {
		case strings.Contains(key, "/wals/") && wal && file.Kind == recovery.WALSegment:
			if file.Suffix != ".gz" {
				return fmt.Errorf("%s is not compressed", key)
			}
			segments++
		case strings.HasPrefix(name, "data"):
			if !strings.HasSuffix(name, ".tar.gz") {
				return fmt.Errorf("%s is not compressed", key)
			}
			bases++
		}
	}
	if segments == 0 || bases == 0 {
		return fmt.Errorf("%d segments and %d base backups among %q", segments, bases, keys)
	}
	return nil
}

// restorable: the folder has a base backup with all the WAL that it needs.
func (w *world) restorable(server string) error {
	catalog, err := w.catalog(server)
	if err != nil {
		return err
	}
	if _, ok := catalog.Window(); !ok {
		return fmt.Errorf("nothing in the folder %s can be restored: %+v", server, catalog.Backups)
	}
	return nil
}

// begins: the base backup that begins the folder belongs to the Cluster, and carries the organisation.
func (w *world) begins(name string) error {
	cluster, err := w.cluster(name)
	if err != nil {
		return err
	}
	backups, err := w.kubernetes.ListBackups(w.t.Context(), w.key(name))
	if err != nil {
		return err
	}
	for _, b := range backups {
		if b.Status.ServerName != cnpg.ServerName(cluster) {
			continue
		}
		if len(b.OwnerReferences) != 1 || b.OwnerReferences[0].UID != cluster.UID || b.Labels[cnpg.LabelOrgID] != "acme" || b.Status.Phase != cnpgv1.BackupPhaseCompleted {
			return fmt.Errorf("the Backup is %+v, %+v", b.ObjectMeta, b.Status)
		}
		return nil
	}
	return fmt.Errorf("no Backup in the folder %s among %d", cnpg.ServerName(cluster), len(backups))
}

// checkRole: the pods' service account has the role, and nobody has keys of the provider's any more.
func (w *world) checkRole() error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	if aws := cluster.Spec.Backup.BarmanObjectStore.AWS; !aws.InheritFromIAMRole || aws.AccessKeyIDReference != nil || aws.SecretAccessKeyReference != nil {
		return fmt.Errorf("the pods' credentials are %+v", aws)
	}
	account, err := w.core.ServiceAccounts(w.namespace).Get(w.t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if role := account.Annotations[cnpg.AnnotationRoleARN]; role != "arn:aws:iam::123456789012:role/pods" {
		return fmt.Errorf("the service account has the role %q", role)
	}
	if _, err := w.core.Secrets(w.namespace).Get(w.t.Context(), "db-backup-s3-creds", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the provider's Secret is not gone: %w", err)
	}
	return nil
}

// A store whose certificate only a private authority vouches for: Terraform, the pods, and those of a restored database
// trust it by the certificate that is configured.
func TestAccDatabase_privateAuthority(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabasePrivateAuthority)
}

func testAccDatabasePrivateAuthority(t *testing.T, w *world) {
	secure := strict(t)
	authority, err := os.ReadFile(env(t, "PGPLATFORM_TLS_CA_CERTIFICATE_FILE"))
	must(t, err)
	secure.endpoint, secure.podEndpoint, secure.certificate = env(t, "PGPLATFORM_TLS_ENDPOINT_URL"), env(t, "PGPLATFORM_TLS_POD_ENDPOINT_URL"), string(authority)
	w.use(secure)
	database := `
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "@daily" }
  deletion_protection = false
}
`
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return errors.Join(w.gone("db"), w.gone("copy")) }),
		Steps: []resource.TestStep{
			{
				Config: w.config(database),
				Check: check(func() error {
					if err := w.eventually(func() error { return w.archived("db") }); err != nil {
						return err
					}
					cluster, err := w.cluster("db")
					if err != nil {
						return err
					}
					if store := cnpg.Archiver(cluster); !strings.HasPrefix(store.EndpointURL, "https://") || store.EndpointCA == nil {
						return fmt.Errorf("the pods reach %+v", store)
					}
					return nil
				}),
			},
			{
				Config: w.config(database + `
resource "pgplatform_restore" "copy" {
  name                = "copy"
  source              = { database = pgplatform_database.db.id }
  deletion_protection = false
}
`),
				Check: check(func() error { return w.archives("copy") }),
			},
		},
	})
	// The positive control: without the certificate the store is not trusted.
	client, err := archive.New(t.Context(), archive.Config{EndpointURL: secure.endpoint, Region: "us-east-1", AccessKeyID: secure.accessKeyID, SecretAccessKey: secure.secretAccessKey})
	must(t, err)
	if err := client.CheckBucket(t.Context(), secure.bucket); !archive.Unreachable(err) {
		t.Errorf("without its authority's certificate the store answers %v", err)
	}
}
