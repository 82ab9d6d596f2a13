package provider_test

import (
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// named has the restored database answer what it is asked about its names, and counts how often it is.
func (s *stage) named(answer, stderr string, err error) (asked *int) {
	asked = new(int)
	s.kube.OnExecWithInput(func(pod, container string, command []string, stdin string) (string, string, error) {
		if !strings.Contains(stdin, "pg_shdepend") {
			return podAnswers(pod, container, command, stdin)
		}
		*asked++
		return answer, stderr, err
	})
	return asked
}

// The archive of a database that is gone does not tell its names. Where those that are written down are wrong, CloudNativePG makes an
// empty database and a role without rights: the apply fails, and what was restored is kept.
func TestRestoreWithWrongNames(t *testing.T) {
	t.Parallel()
	right := strings.TrimSpace(restoredAnswer)
	for name, test := range map[string]struct {
		answer string
		at     string
		want   []string
	}{
		"of the database": {
			strings.Replace(right, `"name" : "shop"`, `"name" : "store"`, 1), "database_name",
			[]string{`no database "shop" was restored`, "has made an empty one", "What was restored: store (of seller)"},
		},
		"of the database, which was made": {
			strings.NewReplacer(`{"name" : "shop"`, `{"name" : "store", "owner" : "keeper", "anew" : false}, {"name" : "shop"`, `"seller", "anew" : false`, `"seller", "anew" : true`).Replace(right), "database_name",
			[]string{`no database "shop" was restored`, "What was restored: store (of keeper)"},
		},
		"of a database in an empty archive": {
			`{"databases" : [{"name" : "postgres", "owner" : "postgres", "anew" : false}, {"name" : "shop", "owner" : "seller", "anew" : true}], "stranger" : true}`, "database_name",
			[]string{`no database "shop" was restored`, "What was restored: no database but PostgreSQL's own"},
		},
		"of the owner": {
			strings.NewReplacer(`"seller"`, `"keeper"`, `"stranger" : false`, `"stranger" : true`).Replace(right), "owner",
			[]string{`belongs to a role "seller"`, "What was restored: shop (of keeper)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.sourceGone()
			s.named(test.answer+"\n", "", nil)
			config := s.config(dead(""))
			s.fails(config, append([]string{"Not the Source's Name", "(" + attribute(test.at) + ")", test.at}, append(test.want,
				"The database myorg/my-db-pitr is restored", "deletion_protection holds", "terraform untaint")...)...)
			object := s.w.Object(pitr)
			if object == nil || !object.Tainted || s.at("status") != "READY" || s.at("base_backup_id") != lateBackup {
				t.Fatalf("the state holds %+v", object)
			}
			uid := s.restored().UID
			s.refused(config, "Restore Already Exists", "terraform untaint")
			// The way to another restore that the error tells.
			s.w.Untaint(pitr)
			s.apply(s.config(dead(unprotected)))
			corrected := s.config(strings.Replace(dead(unprotected), `database_name = "shop"`, `database_name = "store"`, 1))
			s.named(strings.Replace(right, `"name" : "shop"`, `"name" : "store"`, 1)+"\n", "", nil)
			s.apply(corrected)
			if s.restored().UID == uid || s.restored().Spec.Bootstrap.Recovery.Database != "store" {
				t.Error("nothing was restored anew")
			}
		})
	}
}

// Names that nobody can ask for are told, and no reason to fail.
func TestRestoreWithNamesThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*stage){
		"asking is not allowed": func(s *stage) { s.kube.OnExec(nil) },
		"an odd answer":         func(s *stage) { s.named("what?\n", "", nil) },
		"an error":              func(s *stage) { s.named("", "ERROR:  no\n", apitest.ExitError(3)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.sourceGone()
			prepare(s)
			if warnings := s.apply(s.config(dead(""))); !says("Names Not Verified", "Whether the database shop and the role seller were restored could not be seen").MatchString(warnings) {
				t.Errorf("the warnings are %q", warnings)
			}
		})
	}
}

// Only names that nobody but the configuration tells are asked about, once.
func TestRestoreAsksForNamesWhereNeeded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		gone   bool
		asked  int
	}{
		"a place in S3":              {config: dead(""), gone: true, asked: 1},
		"a Backup of what is gone":   {config: restoreFrom(`backup = "myorg/first"`, goneDatabase), gone: true, asked: 1},
		"a Backup of what is there":  {config: restoreFrom(`backup = "myorg/first"`, "")},
		"a database":                 {config: restoreOf("")},
		"a database, with its names": {config: restoreOf("database_name = \"shop\"\nowner = \"seller\"")},
		"nobody waits":               {config: dead("wait = false"), gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Put(s.backupDone(nil))
			if test.gone {
				s.sourceGone()
			}
			asked := s.named(restoredAnswer, "", nil)
			if warnings := s.apply(s.config(test.config)); strings.Contains(warnings, "Names") {
				t.Errorf("it warns %s", warnings)
			}
			if *asked != test.asked {
				t.Errorf("asked %d times, want %d", *asked, test.asked)
			}
			if action := s.action(s.config(test.config)); action != terraformtest.NoOp || *asked != test.asked {
				t.Errorf("the next plan is to %s, and has asked %d times", action, *asked-test.asked)
			}
		})
	}
}
