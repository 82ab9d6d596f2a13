package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What would come back as another database than the one that is wanted.

func TestRestoreOfTablespacesRefused(t *testing.T) {
	t.Parallel()
	s, a := restoreStage(t)
	a.Backup("20260326T125900", onTheDay(12, 59), s3test.Segment(1, 16), s3test.Segment(1, 16), map[string]string{
		"tablespaces": "[('fast', 16387, '/var/lib/postgresql/tablespaces/fast/data')]",
	})
	s.refused(s.config(restoreOf("")), "Restore Cannot Succeed", `AttributeName("source").AttributeName("database")`, "20260326T125900 has tablespaces (fast)", "Nothing was changed")
	if plan, _ := s.plan(s.config(restoreOf(`target_time = "2026-03-26T12:30:00Z"`))); plan.Action(pitr) != terraformtest.Create {
		t.Errorf("from a backup without tablespaces the plan is to %s", plan.Action(pitr))
	}
}

// A replacement destroys the database first: its own archive is no source for it, whichever way it is named.
func TestRestoreOntoItsOwnArchiveRefused(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected)))
	a := s.s3.Archive(fakeBucket, "pg", "my-db-pitr")
	a.Backup("20260326T135900", onTheDay(14, 0), s3test.Segment(2, 20), s3test.Segment(2, 20), nil)
	a.Segments(2, 20, 2, onTheDay(14, 0), 60e9)
	s.kube.Put(s.backupDone(func(b *cnpgv1.Backup) {
		b.Name, b.Spec.Cluster.Name, b.Status.ServerName, b.Status.BackupID = "own", "my-db-pitr", "my-db-pitr", "20260326T135900"
	}))
	for _, source := range []string{`backup = "myorg/own"`, `object_store = { server_name = "my-db-pitr" }`, `database = "myorg/my-db-pitr"`} {
		s.refused(s.config(restoreFrom(source, goneDatabase+unprotected)), "Restore Onto Its Source", `AttributeName("name")`)
	}
	other := strings.NewReplacer(`"my-db-pitr"`, `"another"`, `"pitr"`, `"another"`).Replace(restoreFrom(`backup = "myorg/own"`, unprotected))
	if plan, _ := s.plan(s.config(restoreOf(unprotected) + other)); plan.Action("pgplatform_restore.another") != terraformtest.Create || plan.Action(pitr) != terraformtest.NoOp {
		t.Errorf("beside it the plan is %s", plan)
	}
}

// A database that is gone comes back under its own name from its base backup, in a folder of its own. While it is there, the name is
// taken.
func TestRestoreUnderTheNameOfADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.kube.Put(s.backupDone(nil))
	config := s.config(strings.Replace(restoreFrom(`backup = "myorg/first"`, goneDatabase), `"my-db-pitr"`, `"my-db"`, 1))
	s.refused(config, "Restore Already Exists", `AttributeName("name")`)
	s.sourceGone()
	s.apply(config)
	if c := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db"); c == nil || c.Spec.Bootstrap.Recovery == nil || s.at("archive", "server_name") != "my-db" || s.at("source_server_name") != "my-db-v1" {
		t.Errorf("restored is %+v", c)
	}
}

// A restored database whose backups are as its source's can be upgraded: the folder was chosen, and not asked for.
func TestRestoredDatabaseGoesToAnotherMajorVersion(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected)))
	s.plan(s.config(restoreOf(unprotected + "postgres_version = \"18\"\n")))
}

// Where a WAL location is after a flush, or nowhere.
func TestRestoreToALocationBehindTheEndIsRefusedAfterTheFlush(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	config := s.config(restoreOf("target_lsn = \"FF/0\"\n"))
	s.plan(config)
	s.kube.Forget()
	s.fails(config, "Restore Cannot Succeed", `AttributeName("target_lsn")`, "lies after the end of the archive", "Nothing was changed")
	if writes := apitest.Summaries(s.kube.Writes()); len(writes) != 1 || !strings.Contains(writes[0], "pods/exec") {
		t.Errorf("written beside the flush: %v", writes)
	}
}

// A source that cannot archive holds no restore up whose target was archived long before.
func TestRestoreFromASourceThatCannotArchive(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	flushed := false
	s.kube.OnExec(func(string, string, []string) (string, string, error) {
		flushed = true
		return flushAnswer(s3test.Segment(1, 99)), "", nil
	})
	apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
		c.Status.Conditions = []metav1.Condition{
			{Type: string(cnpgv1.ConditionClusterReady), Status: metav1.ConditionTrue},
			{Type: string(cnpgv1.ConditionContinuousArchiving), Status: metav1.ConditionFalse, Message: "no bucket", LastTransitionTime: metav1.Unix(0, 0)},
		}
	})
	s.fails(s.config(restoreOf(unprotected)), "Unable to Restore Database", `AttributeName("flush_source")`, "no bucket", "Nothing was created", "flush_source = false")
	if s.restored() != nil || flushed {
		t.Error("a Cluster was made, or the source flushed in vain")
	}
	if warnings := s.apply(s.config(restoreOf(unprotected + `target_time = "2026-03-26T12:30:00Z"`))); !strings.Contains(warnings, "Source Not Flushed") {
		t.Errorf("the warnings are %q", warnings)
	}
}

// What no attribute takes over is told.
func TestRestoreTellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreTellsWhatItLeavesOut)
}

func testRestoreTellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	const warning = "Not Taken From the Source"
	if _, warnings := s.plan(s.config(restoreOf(""))); strings.Contains(warnings, warning) {
		t.Errorf("the plan warns: %s", warnings)
	}
	apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.PostgresConfiguration.AdditionalLibraries = []string{"pg_cron"}
		c.Spec.MinSyncReplicas, c.Spec.MaxSyncReplicas = 1, 2
		c.Spec.Plugins = append(c.Spec.Plugins, cnpgv1.PluginConfiguration{Name: "audit.example.com"})
		c.Spec.ImagePullSecrets = []cnpgv1.LocalObjectReference{{Name: "registry"}}
	})
	s.kube.Put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}})
	_, warnings := s.plan(s.config(restoreOf("namespace = \"elsewhere\"")))
	if !says(warning, "source.database", "myorg/my-db", "shared_preload_libraries", "minSyncReplicas", "maxSyncReplicas", "plugins", "imagePullSecrets").MatchString(warnings) {
		t.Errorf("the warnings are %q", warnings)
	}
}

// The image of a database that is gone is that of the backup's major version, with a word of what that may mean.
func TestRestoreChoosesTheImageOfADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.sourceGone()
	config := s.config(restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase))
	if _, warnings := s.plan(config); !says("Image Chosen by the Backup's Version", "postgresql:17-system-trixie", "REINDEX").MatchString(warnings) {
		t.Errorf("the warnings are %q", warnings)
	}
	s.apply(config)
	if image := s.restored().Spec.ImageName; !strings.HasSuffix(image, ":17-system-trixie") {
		t.Errorf("the image is %s", image)
	}
}

// Of a database that is gone each thing must be said that its backups do not tell.
func TestRestoreOfADatabaseThatIsGoneNeedsMore(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.sourceGone()
	for line, attribute := range map[string]string{
		"database_name = \"shop\"\n": `AttributeName("database_name")`, "owner = \"seller\"\n": `AttributeName("owner")`,
		"storage = { size = \"5Gi\" }\n": `AttributeName("storage").AttributeName("size")`, "backup = { schedule = \"0 0 3 * * *\" }\n": `AttributeName("backup")`,
	} {
		if !strings.Contains(goneDatabase, line) {
			t.Fatalf("%q is not in %q", line, goneDatabase)
		}
		config := restoreFrom(`object_store = { server_name = "my-db-v1" }`, strings.Replace(goneDatabase, line, "", 1))
		s.refused(s.config(config), "Not Known of a Database That Is Gone", attribute, "Set it, such as")
	}
	tier := strings.Replace(goneDatabase, "storage = { size = \"5Gi\" }\n", "tier = \"DEV\"\n", 1)
	s.plan(s.config(restoreFrom(`object_store = { server_name = "my-db-v1" }`, tier)))
}
