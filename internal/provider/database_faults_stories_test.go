package provider_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// story is one thing that is done to a database.
type story struct {
	name string
	of   *subject // theDatabase where it is nil
	// before is the configuration that is applied first; with tainted its creation fails when the Cluster exists, as spoil has
	// it where there is one; with forgotten the state does not have it any more.
	before    string
	tainted   bool
	spoil     func(*scene)
	forgotten bool
	prepare   func(*scene)
	// config is the configuration whose apply meets the faults; without one the database is destroyed.
	config string
	// rotated is done with other keys for S3 than before, and endpoint with another address of it for the pods.
	rotated  bool
	endpoint string
	// makes are beginnings of requests without which the story would not be about what it says.
	makes []string
	// begins tells that the archive goes on with a base backup, which nobody may forget.
	begins bool
	// taken is where another database archives: as long as it is set, this one must not do so for a moment.
	taken string
	// races are requests beside others that may be over before these are made.
	races []string
	// wanted tells what is lacking in the end.
	wanted func(*scene) string
	// keys is the Secret that the pods have their keys from in the end, where it is not the provider's own.
	keys string
	// sample has requests that change nothing meet one in so many of the faults, in turn, and one at least; others meet four times
	// as many. 0 is all.
	sample int
}

func (s *story) subject() *subject {
	if s.of == nil {
		return theDatabase
	}
	return s.of
}

// each is in how many of its faults a request fails once; in one at least. With PGPLATFORM_LONG it fails in all of them.
func (s *story) each(p point, faults int) int {
	sample := s.sample
	if p.writes {
		sample /= 4
	}
	if os.Getenv("PGPLATFORM_LONG") != "" {
		sample = 0
	}
	return max(1, min(sample, faults))
}

var configuredSchedule = regexp.MustCompile(`schedule = "([^"]+)"`)

// schedule is the one that the database has in the end; "" for none.
func (s *story) schedule() string {
	if m := configuredSchedule.FindStringSubmatch(s.config); m != nil {
		return m[1]
	}
	return ""
}

const (
	withBackups   = unprotected + "backup = { schedule = \"0 2 * * *\", retention_days = 7 }\n"
	withParameter = "parameters = { work_mem = \"8MB\" }\n"
)

var stories = []*story{
	{
		name:   "create",
		config: database(withBackups + withParameter),
		makes: []string{
			"get clusters", "get namespaces", "apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "watch pods", "ListObjects pg/my-db/",
		},
	},
	{
		name:   "create without backups",
		config: database(unprotected),
		makes:  []string{"apply clusters", "watch clusters"},
	},
	{
		name:   "create without waiting",
		config: database(withBackups + "wait = false\n"),
		makes:  []string{"apply clusters", "apply secrets", "apply scheduledbackups"},
	},
	{
		name:    "create with keys of one's own",
		config:  database(withOwnKeys),
		prepare: putOwnKeys,
		makes:   []string{"apply clusters", "apply scheduledbackups", "watch clusters"},
		keys:    ownKeys,
	},
	{
		name:   "change parameters and labels",
		before: database(withBackups + withParameter),
		config: database(withBackups + "parameters = { work_mem = \"16MB\", log_statement = \"all\" }\nlabels = { team = \"a\" }\ninstances = 2\norg_id = \"acme\"\n"),
		makes:  []string{"get clusters", "apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters"},
		wanted: func(w *scene) string {
			if c := w.cluster(); c.Spec.PostgresConfiguration.Parameters["work_mem"] != "16MB" || c.Labels["team"] != "a" || c.Spec.Instances != 2 {
				return "the new parameters, labels and instances"
			}
			return ""
		},
	},
	{
		name:   "turn backups on",
		before: database(unprotected),
		config: database(withBackups),
		makes:  []string{"apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "ListObjects pg/my-db/"},
	},
	{
		name:   "turn backups off",
		before: database(withBackups),
		config: database(unprotected),
		makes:  []string{"apply clusters", "delete scheduledbackups", "delete secrets", "watch clusters"},
	},
	{
		name:   "turn off backups that another manager states too",
		before: database(withBackups),
		config: database(unprotected + forced),
		prepare: func(w *scene) {
			theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
			theirs.Spec.Instances = 1
			theirs.Spec.Backup = &cnpgv1.BackupConfiguration{RetentionPolicy: "7d"}
			apitest.ApplyAs(w.kube, "argocd", theirs)
		},
		makes: []string{"apply clusters", "patch clusters", "delete scheduledbackups", "delete secrets", "watch clusters"},
		// Where CNPG writes the status in between, the Cluster is read and patched again.
		races: []string{"get clusters myorg/my-db #3", "patch clusters myorg/my-db #2", "patch clusters myorg/my-db #3"},
	},
	{
		name:    "rotate the keys",
		before:  database(withBackups),
		config:  database(withBackups),
		rotated: true,
		prepare: (*scene).flushes,
		makes:   []string{"apply clusters myorg/my-db as a dry run", "apply secrets", "watch clusters", "get pods/exec", "ListObjects pg/my-db/wals/"},
		races:   []string{besidesArchiving},
	},
	{
		name:     "change how the pods call S3",
		before:   database(withBackups),
		config:   database(withBackups),
		endpoint: "http://s3-of-the-pods.test",
		prepare:  (*scene).flushes,
		makes:    []string{"apply clusters", "watch clusters", "get pods/exec", "ListObjects pg/my-db/wals/"},
		races:    []string{besidesArchiving},
		wanted: func(w *scene) string {
			if w.barman().EndpointURL != "http://s3-of-the-pods.test" {
				return "the new endpoint"
			}
			return ""
		},
	},
	{
		name:   "change the tier",
		before: database(withBackups + "tier = \"DEV\"\n"),
		config: database(withBackups + "tier = \"HA\"\n"),
		makes:  []string{"list persistentvolumeclaims", "get storageclasses", "apply clusters", "watch pods", "watch persistentvolumeclaims"},
		wanted: func(w *scene) string {
			if c := w.cluster(); c.Spec.Instances != 3 || c.Spec.StorageConfiguration.Size != "20Gi" || c.Spec.Resources.Limits.Memory().String() != "2Gi" {
				return "the new tier"
			}
			return ""
		},
	},
	{
		name:   "change the schedule",
		before: database(withBackups),
		config: strings.Replace(database(withBackups), "0 2 * * *", "30 4 * * *", 1),
		makes:  []string{"apply scheduledbackups"},
	},
	{
		name:   "put back what kubectl has changed",
		before: database(withBackups + withParameter),
		config: database(withBackups + withParameter),
		prepare: func(w *scene) {
			w.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
				c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1GB"
			})
		},
		makes:  []string{"apply clusters", "apply clusters myorg/my-db by force", "watch clusters"},
		wanted: wantsParameter("8MB"),
	},
	{
		name:   "take from another manager by force",
		before: database(withParameter),
		config: database(forced + "parameters = { work_mem = \"16MB\" }\n"),
		prepare: func(w *scene) {
			theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
			theirs.Spec.Instances = 1
			theirs.Spec.PostgresConfiguration.Parameters = map[string]string{"work_mem": "1GB"}
			apitest.ApplyAs(w.kube, "argocd", theirs)
		},
		makes:  []string{"apply clusters myorg/my-db by force", "watch clusters"},
		wanted: wantsParameter("16MB"),
	},
	{
		name:   "grow the volumes",
		before: database(withBackups),
		config: database(withBackups + "storage = { size = \"20Gi\" }\nwal_storage = { size = \"5Gi\" }\n"),
		makes:  []string{"list persistentvolumeclaims", "get storageclasses", "apply clusters", "watch persistentvolumeclaims"},
		wanted: func(w *scene) string {
			if c := w.cluster(); c.Spec.StorageConfiguration.Size != "20Gi" || c.Spec.WalStorage == nil {
				return "larger volumes"
			}
			return ""
		},
	},
	{
		name:   "move the archive",
		before: database(withBackups),
		config: strings.Replace(database(withBackups), "retention_days", "server_name = \"v2\", retention_days", 1),
		begins: true,
		makes:  []string{"apply clusters", "list backups", "create backups", "watch backups", "patch clusters", "ListObjects pg/v2/"},
		races:  []string{besidesArchiving},
		wanted: func(w *scene) string {
			if cnpg.ServerName(w.cluster()) != "v2" {
				return "the new folder"
			}
			return ""
		},
	},
	{
		name:   "move the archive to a path where another database has its name",
		before: database(withBackups),
		config: strings.Replace(database(withBackups), "retention_days", "object_store = { destination_path = \"s3://"+fakeBucket+"/moved\" }, retention_days", 1),
		taken:  "s3://" + fakeBucket + "/moved/my-db",
		begins: true,
		prepare: func(w *scene) {
			w.s3.Archive(fakeBucket, "moved", "my-db").WAL("000000010000000000000001", w.now())
		},
		makes: []string{"apply clusters", "list backups", "create backups", "watch backups", "patch clusters", "ListObjects moved/my-db/"},
		races: []string{besidesArchiving},
		wanted: func(w *scene) string {
			if store := cnpg.Archiver(w.cluster()); store == nil || store.DestinationPath != "s3://"+fakeBucket+"/moved" || !strings.HasPrefix(store.ServerName, "my-db-") {
				return "the new path"
			}
			return ""
		},
	},
	{
		name:   "upgrade to another major version",
		before: database(withBackups + "postgres_version = \"16.2\"\n"),
		config: database(withBackups + "postgres_version = \"17.1\"\n"),
		prepare: func(w *scene) {
			w.s3.Archive(fakeBucket, "pg", "my-db").WAL(apitest.EndWAL, w.now())
		},
		begins: true,
		makes:  []string{"apply clusters", "create backups", "watch backups", "patch clusters", "ListObjects pg/my-db-*"},
		races:  []string{besidesArchiving},
		wanted: func(w *scene) string {
			if c := w.cluster(); cnpg.ServerName(c) == "my-db" || !strings.Contains(c.Spec.ImageName, ":17.1-") {
				return "version 17 in a folder of its own"
			}
			return ""
		},
	},
	{
		name:    "change to keys of one's own",
		before:  database(withBackups),
		config:  database(withOwnKeys),
		prepare: putOwnKeys,
		makes:   []string{"apply clusters", "watch clusters"},
		keys:    ownKeys,
	},
	{
		name:   "change without waiting",
		before: database(withBackups),
		config: database(withBackups + withParameter + "wait = false\n"),
		makes:  []string{"apply clusters"},
		wanted: wantsParameter("8MB"),
	},
	{
		name:   "replace",
		before: database(withBackups),
		config: database(withBackups + "owner = \"somebody\"\n"),
		makes:  []string{"delete clusters", "delete scheduledbackups", "get secrets", "apply clusters", "watch clusters", "watch persistentvolumeclaims"},
		wanted: func(w *scene) string {
			if b := w.cluster().Spec.Bootstrap; b == nil || b.InitDB == nil || b.InitDB.Owner != "somebody" {
				return "the new owner"
			}
			return ""
		},
	},
	{
		name:   "destroy",
		before: database(withBackups),
		makes:  []string{"get clusters", "delete scheduledbackups", "delete clusters", "get secrets", "watch clusters", "watch persistentvolumeclaims"},
	},
	{
		name:   "destroy with a final backup",
		before: database(withBackups + "final_backup = true\n"),
		prepare: func(w *scene) {
			w.s3.Archive(fakeBucket, "pg", "my-db").WAL(apitest.EndWAL, w.now())
		},
		makes: []string{"create backups", "watch backups", "ListObjects pg/my-db/wals/", "delete scheduledbackups", "delete clusters", "get secrets"},
		races: []string{besidesArchiving},
	},
	{
		name:    "destroy a tainted one",
		before:  database(withBackups),
		tainted: true,
		makes:   []string{"delete clusters", "watch persistentvolumeclaims"},
	},
}

// besidesArchiving is the watch of a Cluster while a backup of it runs or S3 is to get a segment, or the one after it where
// that was done first.
const besidesArchiving = "watch clusters myorg #2"

const ownKeys = "my-keys"

var withOwnKeys = strings.Replace(withBackups, "retention_days", "credentials_secret = { name = \""+ownKeys+"\" }, retention_days", 1)

func putOwnKeys(w *scene) {
	w.kube.Put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: ownKeys},
		Data:       map[string][]byte{"ACCESS_KEY_ID": []byte(s3test.AccessKeyID), "ACCESS_SECRET_KEY": []byte(s3test.SecretAccessKey)},
	})
}

func wantsParameter(value string) func(*scene) string {
	return func(w *scene) string {
		if w.cluster().Spec.PostgresConfiguration.Parameters["work_mem"] != value {
			return "work_mem = " + value
		}
		return ""
	}
}

// deletes tells whether the Cluster goes in the story.
func (s *story) deletes() bool { return slices.Contains(s.makes, "delete clusters") }

// creates is how many Clusters are made in the story, whatever goes wrong.
func (s *story) creates() int64 {
	if s.config != "" && (s.before == "" || s.deletes()) {
		return 1
	}
	return 0
}

// flushes plays pods whose archiver works, with a segment that is in S3 already: what the database archives is no file of
// somebody else's.
func (w *scene) flushes() {
	w.s3.Archive(fakeBucket, "pg", "my-db").WAL(apitest.EndWAL, w.now())
	w.kube.OnExec(func(string, string, []string) (string, string, error) { return flushAnswer(apitest.EndWAL), "", nil })
}

// text is a configuration with the provider's block, as it is before the story or, changed, by it. What the pods call S3 is
// the same in all scenes, so that a copy of one archives to the same store.
func (w *scene) text(resources string, changed bool) string {
	endpoint := "http://s3.test"
	if changed && w.story.endpoint != "" {
		endpoint = w.story.endpoint
	}
	text := w.provider(fmt.Sprintf("pod_endpoint_url = %q", endpoint)) + w.byMethod(resources)
	if changed && w.story.rotated {
		text = strings.ReplaceAll(text, s3test.AccessKeyID, rotatedKey)
	}
	return text
}

const rotatedKey = "ROTATEDACCESSKEY0001"
