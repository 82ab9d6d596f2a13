package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// A database that archives without a schedule of its name can be taken over as it is: nothing is to do, no schedule is made
// or touched, and the plan says so. With a schedule in the configuration there is one, and then it stays.
func TestAdoptedDatabaseWithoutASchedule(t *testing.T) {
	t.Parallel()
	for beside, other := range map[string]string{"nothing": "", "another schedule": "nightly"} {
		t.Run("beside "+beside, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			cluster := f.archivedCluster()
			selector := func(key string) *cnpgv1.SecretKeySelector {
				return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: ownKeys}, Key: key}
			}
			cnpg.Archiver(cluster).AWS = &cnpgv1.S3Credentials{
				AccessKeyIDReference: selector("ACCESS_KEY_ID"), SecretAccessKeyReference: selector("ACCESS_SECRET_KEY"), RegionReference: selector("REGION"),
			}
			f.put(cluster)
			theirs := func() *cnpgv1.ScheduledBackup {
				return apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "nightly")
			}
			if other != "" {
				f.kube.Put(&cnpgv1.ScheduledBackup{
					ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: other},
					Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 4 * * *", Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
				})
			}
			before := theirs()
			config := func(schedule, more string) string {
				return f.config(adoptedDatabase("backup = {\n retention_days = 14\n credentials_secret = { name = \"" + ownKeys + "\" }\n" + schedule + "\n}\n" + more))
			}
			const told = "backup.schedule is not set, and the database myorg/my-db has no ScheduledBackup of its name"
			s := onStage(t, f)
			imported := strings.Replace(config("", ""), unprotected, "", 1) // which protects it
			s.w.Write(imported)
			if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
				t.Fatal(diags)
			}
			plan, warnings := s.plan(imported)
			if !plan.Empty() || !says("No Scheduled Backups", told).MatchString(warnings) {
				t.Errorf("after an import the plan is %q, with warnings %q", plan, warnings)
			}
			s.apply(config("", forced+`labels = { team = "a" }`))
			if now := theirs(); s.schedule() != nil || before != nil && now.ResourceVersion != before.ResourceVersion {
				t.Errorf("schedules are %+v and %+v", s.schedule(), now)
			}
			if warnings := s.apply(config(`schedule = "0 2 * * *"`, forced)); strings.Contains(warnings, told) || s.schedule() == nil {
				t.Errorf("schedule is %+v, warnings are %q", s.schedule(), warnings)
			}
			s.refused(config("", ""), "Missing Schedule", "backup.schedule", `it is "0 2 * * *" now`)
		})
	}
}

// Whoever begins to back a database up says when.
func TestBackupsBeginWithASchedule(t *testing.T) {
	t.Parallel()
	s := onStage(t, operated(t))
	without := s.config(database(unprotected + "  backup = {}\n"))
	s.refused(without, "Missing Schedule", "needs backup.schedule for its base backups")
	s.apply(s.config(database(unprotected + "  backup = { enabled = false }\n")))
	s.refused(without, "Missing Schedule", "needs backup.schedule for its base backups")
	s.apply(s.config(database(unprotected)))
	s.refused(without, "Missing Schedule", "needs backup.schedule for its base backups")
	s.apply(s.config(backedUp("")))
	s.planned(strings.Replace(s.config(backedUp("")), "my-db", "other", 1), terraformtest.Replace)
	s.refused(strings.Replace(without, "my-db", "other", 1), "Missing Schedule", "needs backup.schedule for its base backups")
}
