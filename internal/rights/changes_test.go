package rights

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// change is what people do with a database that is there. The rights that it uses are those of two lists, and no others.
type change struct {
	from string // the attributes of the database before
	do   func(*world) (done bool)
	// refused are the rights without which it fails, and what it says then beside the API server's words.
	refused map[string][]string
	// degrades are the rights without which it is done all the same, and what it says then.
	degrades map[string]string
}

const (
	asItStands = "Terraform's state holds the database $NS/my-db as it stands in Kubernetes now"
	noBackup   = "base backup in the folder"
	unverified = "Archiving Not Verified"
)

// The rights of every change, of those that write a Secret, that take a base backup, that find out whether an archive works, and of
// those by the plugin.
var (
	ofAll = map[string][]string{
		"get clusters.postgresql.cnpg.io":           {"Unable to Read Database"},
		"patch clusters.postgresql.cnpg.io":         {"Unable to Update Database", asItStands},
		"watch clusters.postgresql.cnpg.io":         {"Unable to Update Database", asItStands},
		"get scheduledbackups.postgresql.cnpg.io":   {"Unable to Read Database"},
		"patch scheduledbackups.postgresql.cnpg.io": {"Unable to Update Database", asItStands},
	}
	ofKeys    = map[string][]string{"patch secrets": {"Unable to Update Database", "Secret $NS/my-db-backup-s3-creds", asItStands}}
	ofBackups = map[string][]string{
		"list backups.postgresql.cnpg.io":   {"Unable to Update Database", noBackup, asItStands},
		"create backups.postgresql.cnpg.io": {"Unable to Update Database", noBackup, asItStands},
		"watch backups.postgresql.cnpg.io":  {"Unable to Update Database", noBackup, asItStands},
	}
	ofPlugin = map[string][]string{
		"get objectstores.barmancloud.cnpg.io":   {"Unable to", "ObjectStore $NS/my-db-backup"},
		"patch objectstores.barmancloud.cnpg.io": {"Unable to Update Database", "ObjectStore $NS/my-db-backup", asItStands},
	}
	ofSight = map[string]string{
		"watch pods":                   "whether the pods are as they should be was not looked at",
		"watch persistentvolumeclaims": "whether the volumes are as they should be was not looked at",
		"watch events":                 "errors say nothing of what Kubernetes warns of",
	}
	ofProof = map[string]string{"create pods/exec": unverified}
)

var changes = map[string]change{
	"move": {
		from: schedule,
		do: func(w *world) bool {
			return w.apply("move", database(with(schedule, `object_store = { destination_path = "s3://backups/other" }`)))
		},
		refused: merged(ofAll, ofKeys, ofBackups), degrades: ofSight,
	},
	"move by the plugin": {
		from:    byPlugin,
		do:      func(w *world) bool { return w.apply("move", database(with(byPlugin, `server_name = "another"`))) },
		refused: merged(ofAll, ofKeys, ofBackups, ofPlugin), degrades: ofSight,
	},
	"change of the method": {
		from: schedule,
		do:   func(w *world) bool { return w.apply("change the method", database(byPlugin)) },
		refused: merged(ofAll, ofKeys, ofBackups, ofPlugin, map[string][]string{
			"create objectstores.barmancloud.cnpg.io": {"Unable to Update Database", "ObjectStore $NS/my-db-backup", asItStands},
		}),
		// Without the list nobody sees at plan that there is no plugin, which "no plugin" shows.
		degrades: merged(ofSight, map[string]string{"list objectstores.barmancloud.cnpg.io": ""}),
	},
	"other keys": {
		from: schedule,
		do: func(w *world) bool {
			w.reach(`pod_credentials = { access_key_id = "other", secret_access_key = "keys" }`)
			return w.apply("change the keys", database(schedule))
		},
		refused: merged(ofAll, ofKeys), degrades: merged(ofSight, ofProof),
	},
	"a Secret of one's own": { // the one that the provider has written still tells the region
		from: byPlugin,
		do: func(w *world) bool {
			return w.apply("name the Secret", database(with(byPlugin, `credentials_secret = { name = "own" }`)))
		},
		refused: merged(ofAll, ofKeys, ofPlugin), degrades: merged(ofSight, ofProof),
	},
	"a role in place of keys": {
		from: schedule,
		do: func(w *world) bool {
			w.reach(`pod_iam_role_arn = "arn:aws:iam::111122223333:role/backups"`)
			return w.apply("name the role", database(schedule))
		},
		refused:  ofAll,
		degrades: merged(ofSight, ofProof, map[string]string{"get secrets": "Secret Not Removed", "delete secrets": ""}),
	},
	"backups turned on": {
		do: func(w *world) bool {
			w.s3.Fail(func(r s3test.Request) *s3test.Fault {
				if strings.HasSuffix(r.Prefix, flushed) { // the folder has to be empty before
					w.archive(backupID)
				}
				return nil
			})
			return w.apply("turn backups on", database(schedule))
		},
		refused: merged(ofAll, ofKeys, map[string][]string{
			"get scheduledbackups.postgresql.cnpg.io":    {"Unable to Update Database", "Nothing was changed."},
			"list backups.postgresql.cnpg.io":            {"Unable to Update Database", "Nothing was changed."},
			"create clusters.postgresql.cnpg.io":         {"It cannot be told whether", "set backup.method to what is installed", "Nothing was changed."},
			"create secrets":                             {"Unable to Update Database", "Secret $NS/my-db-backup-s3-creds", asItStands},
			"create scheduledbackups.postgresql.cnpg.io": {"Unable to Update Database", asItStands},
		}),
		degrades: merged(ofSight, ofProof, map[string]string{"get secrets": "whether there is a Secret $NS/my-db-backup-s3-creds of somebody else's was not looked at"}),
	},
}

// with are attributes of a database whose backup has one more.
func with(attributes, more string) string {
	return strings.Replace(attributes, " }", ", "+more+" }", 1)
}

// merged are lists in one.
func merged[V any](lists ...map[string]V) map[string]V {
	whole := map[string]V{}
	for _, list := range lists {
		maps.Copy(whole, list)
	}
	return whole
}

// reach has the provider's object_store say how pods reach S3.
func (w *world) reach(by string) {
	w.block = strings.Replace(w.block, "object_store = {", "object_store = {\n    "+by, 1)
}

// begin makes the database of a change, and takes rights away.
func (w *world) begin(c change, lost ...right) {
	w.t.Helper()
	if !w.apply("create", database(c.from)) {
		w.t.Fatal(w.said.String())
	}
	if c.from != "" {
		w.archive(backupID)
	}
	w.lose(lost...)
	w.said.Reset()
}

// compareChanges makes each of the changes with all rights, and hears which it uses. Then without each of those that it cannot do without, and
// without all others at once.
func (p *platform) compareChanges(t *testing.T, roles []right) {
	t.Helper()
	named := map[string]right{}
	for _, r := range roles {
		named[r.String()] = r
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := p.world(t, false)
			used := w.listen()
			w.begin(c)
			used.forget()
			if !c.do(w) || strings.Contains(w.said.String(), "forbidden") {
				t.Errorf("with every right: %s", w.said.String())
			}
			known := slices.AppendSeq(slices.Collect(maps.Keys(c.refused)), maps.Keys(c.degrades))
			slices.Sort(known)
			if heard := used.rights(); !slices.Equal(heard, known) {
				t.Errorf("it uses\n%s\nand not\n%s", strings.Join(heard, "\n"), strings.Join(known, "\n"))
			}
		})
		for lost, says := range c.refused {
			t.Run(name+" without "+lost, func(t *testing.T) {
				t.Parallel()
				w := p.world(t, false)
				w.begin(c, named[lost])
				if c.do(w) {
					t.Error("it is done")
				}
				without{scene: name, says: says}.check(t, named[lost], w, "")
			})
		}
		t.Run(name+" without what it can do without", func(t *testing.T) {
			t.Parallel()
			w := p.world(t, false)
			var lost []right
			for _, right := range slices.Sorted(maps.Keys(c.degrades)) {
				lost = append(lost, named[right])
			}
			w.begin(c, lost...)
			if !c.do(w) {
				t.Errorf("it is not done: %s", w.said.String())
			}
			for _, right := range lost {
				if says := c.degrades[right.String()]; says != "" {
					without{scene: name, says: []string{says}}.check(t, right, w, "")
				}
			}
		})
	}
}
