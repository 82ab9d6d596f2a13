package provider_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// Two backups are taken at once, and grow old. When a scheduled one is completed, retention removes the older of them, which
// stays in the state and is not taken again; the other is still needed to restore the last day.
func TestAccBackup_expires(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccBackupExpires)
}

func testAccBackupExpires(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	account := root.account(w.namespace)
	root.give(account)
	w.use(account)
	config := func(schedule string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = %q, retention_days = 1, immediate = false }
  deletion_protection = false
}

resource "pgplatform_backup" "one" {
  database = pgplatform_database.db.id
}

resource "pgplatform_backup" "two" {
  database = pgplatform_database.db.id
}

data "pgplatform_backups" "db" {
  database   = pgplatform_database.db.id
  depends_on = [pgplatform_backup.one, pgplatform_backup.two]
}`, schedule))
	}
	const one, two, list = "pgplatform_backup.one", "pgplatform_backup.two", "data.pgplatform_backups.db"
	var older, newer map[string]string
	status := func(s *terraform.State, of map[string]string) string {
		for _, name := range []string{one, two} {
			if a := s.RootModule().Resources[name].Primary.Attributes; a["id"] == of["id"] {
				return a["status"]
			}
		}
		return "not in the state"
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: config("0 2 * * *"),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr(one, "status", "COMPLETED"),
					resource.TestCheckResourceAttr(two, "status", "COMPLETED"),
					resource.TestCheckResourceAttr(list, "backups.#", "2"),
					func(s *terraform.State) error {
						older, newer = s.RootModule().Resources[one].Primary.Attributes, s.RootModule().Resources[two].Primary.Attributes
						if older["backup_id"] > newer["backup_id"] {
							older, newer = newer, older
						}
						if older["size_bytes"] == "" || older["postgres_version"] != imageVersion(env(t, "PGPLATFORM_POSTGRES_17")) {
							return fmt.Errorf("of %s bytes, PostgreSQL %s", older["size_bytes"], older["postgres_version"])
						}
						return errors.Join(w.sameInS3(older), w.sameInS3(newer))
					},
				),
			},
			{
				PreConfig: func() {
					root.age(w.namespace, older, 30)
					root.age(w.namespace, newer, 20)
				},
				Config: config("* * * * *"),
				Check: check(func() error {
					return w.eventually(func() error {
						key, err := cnpg.ParseKey(older["id"])
						if err != nil {
							return err
						}
						if _, err = w.kubernetes.GetBackup(t.Context(), key); !errors.Is(err, cnpg.ErrNotFound) {
							return errors.Join(fmt.Errorf("retention has not removed %s\n%s", key, w.told()), err)
						}
						// On a busy machine it may be the end of the second backup that removes the first one.
						return w.scheduledBackup("db")
					})
				}),
			},
			{
				Config:           config("0 2 * * *"), // no more of them
				ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
				Check: resource.ComposeAggregateTestCheckFunc(
					// Another one may have begun just before the schedule was changed.
					resource.TestCheckTypeSetElemNestedAttrs(list, "backups.*", map[string]string{"type": "SCHEDULED", "status": "COMPLETED"}),
					func(s *terraform.State) error {
						if a, b := status(s, older), status(s, newer); a != "EXPIRED" || b != "COMPLETED" {
							return fmt.Errorf("the older backup is %s, the newer %s", a, b)
						}
						return nil
					},
				),
			},
		},
	})
}

// scheduledBackup is an error until a backup that a schedule began is completed.
func (w *world) scheduledBackup(name string) error {
	all, err := w.kubernetes.ListBackups(w.t.Context(), w.key(name))
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.Labels[cnpg.LabelScheduledBackup] != "" && b.Status.Phase == cnpgv1.BackupPhaseCompleted {
			return nil
		}
	}
	return fmt.Errorf("no scheduled one of %d backups is completed\n%s", len(all), w.told())
}

// age makes a backup so many days older than it is, as far as barman can tell.
func (r *strictRoot) age(bucket string, backup map[string]string, days int) {
	r.t.Helper()
	key := strings.TrimPrefix(backup["destination_path"], "s3://"+bucket+"/")
	key = fmt.Sprintf("%s/%s/base/%s/backup.info", key, backup["server_name"], backup["backup_id"])
	got, err := r.client().GetObject(r.t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	must(r.t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(r.t, err)
	aged := regexp.MustCompile(`(?m)^(begin|end)_time=(\S+)`).ReplaceAllFunc(text, func(line []byte) []byte {
		name, date, _ := strings.Cut(string(line), "=")
		day, err := time.Parse(time.DateOnly, date)
		must(r.t, err)
		return []byte(name + "=" + day.AddDate(0, 0, -days).Format(time.DateOnly))
	})
	if bytes.Equal(aged, text) {
		r.t.Fatalf("no times in %s: %s", key, text)
	}
	_, err = r.client().PutObject(r.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(aged)})
	must(r.t, err)
}

// Why a backup fails is told in the words of those who know: a right that is missing, a bucket that is gone, a key that is
// refused. None of them leaves anything that holds later backups back.
func TestAccBackup_fails(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccBackupFails)
}

func testAccBackupFails(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	pods := root.account(w.namespace)
	root.give(pods)
	terraform := root.store
	terraform.bucket, terraform.accessKeyID, terraform.secretAccessKey = w.namespace, root.keys.AccessKeyID, root.keys.SecretAccessKey
	w.use(terraform)
	config := func(triggers string) string {
		return w.configWith(fmt.Sprintf("pod_credentials = { access_key_id = %q, secret_access_key = %q }", pods.accessKeyID, pods.secretAccessKey), fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "0 2 * * *", immediate = false }
  deletion_protection = false
}

resource "pgplatform_backup" "now" {
  database = pgplatform_database.db.id
  triggers = { why = %q }
}`, triggers))
	}
	fails := func(why, words string, sabotage func()) resource.TestStep {
		return resource.TestStep{PreConfig: sabotage, Config: config(why), ExpectError: regexp.MustCompile(`(?s)Unable to Take Backup.*(` + words + `)`)}
	}
	// What is wrong is mended, and the next backup is completed.
	works := func(mend func()) resource.TestStep {
		return resource.TestStep{
			PreConfig: func() {
				mend()
				must(t, w.archivesAgain("db"))
			},
			Config: config("nothing"),
			Check:  resource.TestCheckResourceAttr("pgplatform_backup.now", "status", "COMPLETED"),
		}
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{Config: config("nothing"), Check: check(func() error { return w.archived("db") })},
			fails("a missing right", "AccessDenied|Access Denied", func() {
				root.policy(w.namespace, fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
					{"Effect": "Allow", "Principal": {"AWS": [%[1]q]}, "Action": ["s3:*"], "Resource": ["arn:aws:s3:::%[2]s", "arn:aws:s3:::%[2]s/*"]},
					{"Effect": "Deny", "Principal": {"AWS": [%[1]q]}, "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::%[2]s/%[2]s/db/base/*"]}]}`,
					pods.accessKeyID, w.namespace))
			}),
			works(func() { root.policy(w.namespace, "") }),
			fails("a bucket that is gone", "NoSuchBucket|does not exist", func() { root.removeBucket(w.namespace) }),
			works(func() {
				root.makeBucket(w.namespace)
				root.give(pods)
			}),
			fails("a key that is refused", "InvalidAccessKeyId|Forbidden|AccessDenied", func() { root.revoke(pods) }),
			works(func() {
				root.enroll(pods)
				root.give(pods)
			}),
		},
	})
}

// archivesAgain waits until archiving that was mended works. The condition alone does not tell: it is about the last segment
// that PostgreSQL has tried, which may have been before the mend or before what was mended.
func (w *world) archivesAgain(name string) error {
	if err := w.archives(name); err != nil {
		return err
	}
	return w.eventually(func() error {
		cluster, err := w.cluster(name)
		if err == nil {
			if works, message := cnpg.ContinuousArchiving(cluster); works == nil || !*works {
				err = fmt.Errorf("Cluster %s says of its archiving: %s", w.key(name), message)
			}
		}
		return err
	})
}

// policy sets a bucket's policy; "" removes it.
func (r *strictRoot) policy(bucket, text string) {
	r.t.Helper()
	var err error
	if text == "" {
		_, err = r.client().DeleteBucketPolicy(r.t.Context(), &s3.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
	} else {
		_, err = r.client().PutBucketPolicy(r.t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(text)})
	}
	must(r.t, err)
}

// removeBucket removes a bucket with all that is in it, and with what arrives meanwhile.
func (r *strictRoot) removeBucket(bucket string) {
	r.t.Helper()
	for {
		objects, err := r.objects(bucket, "")
		must(r.t, err)
		if len(objects) == 0 {
			_, err := r.client().DeleteBucket(r.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucket)})
			var refused smithy.APIError
			if errors.As(err, &refused) && refused.ErrorCode() == "BucketNotEmpty" {
				continue
			}
			must(r.t, err)
			return
		}
		var keys []types.ObjectIdentifier
		for key := range objects {
			keys = append(keys, types.ObjectIdentifier{Key: aws.String(key)})
		}
		_, err = r.client().DeleteObjects(r.t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: keys}})
		must(r.t, err)
	}
}
