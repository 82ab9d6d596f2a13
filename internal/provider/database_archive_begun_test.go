package provider_test

import (
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The base backup of a large database takes longer than one apply has time: it goes on, and the next apply waits for the one
// that there is.
func TestDatabaseBaseBackupThatTakesLong(t *testing.T) {
	t.Parallel()
	moved := func(f *fakes) string {
		return f.config(backedUp("server_name = \"v2\"\n}\ntimeouts = { update = \"2s\" "))
	}
	begin := func(t *testing.T) *stage {
		t.Helper()
		f := operated(t)
		s := onStage(t, f)
		s.apply(f.config(backedUp("")))
		f.kube.React(func(e apitest.Event) {
			if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" {
				apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseRunning })
			}
		})
		s.fails(moved(f), "Unable to Update Database", "the first base backup in the folder v2", "not done after 2s", "goes on", "timeouts.update")
		s.planned(moved(f), terraformtest.Update)
		return s
	}
	edit := func(s *stage, change func(*cnpgv1.Backup)) {
		for _, b := range s.begun() {
			apitest.Edit(s.kube, b.Namespace, b.Name, change)
		}
	}
	completed := func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseCompleted }
	t.Run("completed meanwhile", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		edit(s, completed)
		s.apply(moved(s.fakes))
		if n := len(s.begun()); n != 1 {
			t.Errorf("%d base backups, want one", n)
		}
	})
	t.Run("still running", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.fails(moved(s.fakes), "not done after 2s", "goes on")
		s.kube.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() { edit(s, completed) }}))
		s.apply(moved(s.fakes))
		if n := len(s.begun()); n != 1 {
			t.Errorf("%d base backups, want one", n)
		}
	})
	t.Run("given up meanwhile", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		edit(s, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseWalArchivingFailing })
		before := s.begun()[0].UID
		s.fails(moved(s.fakes), "not done after 2s", "goes on")
		if now := s.begun(); len(now) != 1 || now[0].UID == before {
			t.Errorf("%d base backups, the first one is left: %t", len(now), now[0].UID == before)
		}
	})
	// What lies before the apply that the archive began with, or in another folder, restores nothing of it.
	for name, other := range map[string]func(*cnpgv1.Backup){
		"of before": func(b *cnpgv1.Backup) {
			completed(b)
			b.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		},
		"of another folder": func(b *cnpgv1.Backup) {
			completed(b)
			b.Status.ServerName = "v1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			edit(s, other)
			s.fails(moved(s.fakes), "not done after 2s", "goes on")
			if n := len(s.begun()); n != 2 {
				t.Errorf("%d base backups, want another one", n)
			}
		})
	}
}
