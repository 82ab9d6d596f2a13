package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What cannot succeed is refused when it is planned, at the attribute that is to be changed: a plan of nothing but such
// restores, of a living database and of copies of its archive.
func TestAccRestore_refused(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreRefused)
}

func testAccRestoreRefused(t *testing.T, w *world) {
	m := w.meddle()
	const source = `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  backup              = { schedule = "@yearly", immediate = false, data = { compression = "gzip" }, wal = { compression = "gzip" } }
  deletion_protection = false
}
`
	const base = `
resource "pgplatform_backup" "base" {
  database = pgplatform_database.source.id
}
`
	cli := newWorkdir(t, cliConfig(w.config(source)), nil)
	cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	early := time.Now()
	cli.write("main.tf", cliConfig(w.config(source+base)))
	cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	var segments [2]string
	for i := range segments {
		flushed, err := w.kubernetes.Flush(t.Context(), w.key("source"))
		must(t, err)
		must(t, w.eventually(func() error { return w.hasSegment("source", flushed.Segment) }))
		segments[i] = flushed.Segment
	}
	dead, holed, empty := w.aside("dead"), w.aside("holed"), w.aside("empty")
	for _, to := range []place{dead, holed, empty} {
		m.copyArchive(to, "source")
	}
	m.copyArchive(place{w.store.bucket, w.namespace}, "taken")
	must(t, errors.Join(m.removeSegment(holed, segments[0]), m.remove(empty.bucket, empty.prefix+"/source/base/")))

	const alive = `source = { database = pgplatform_database.source.id }`
	store := func(at place, server string) string {
		return fmt.Sprintf("tier = \"DEV\"\ndatabase_name = \"app\"\nowner = \"app\"\nbackup = { enabled = false }\n"+
			"source = { object_store = { destination_path = %q, server_name = %q } }", at, server)
	}
	at := func(at time.Time) string {
		return fmt.Sprintf("\ntarget_time = %q", at.In(time.FixedZone("", 2*60*60)).Truncate(time.Microsecond).Format(time.RFC3339Nano))
	}
	refused := []struct {
		name, attributes string
		says             []string
	}{
		{"before", alive + at(early), []string{"the target", "lies before the recovery window", "UTC", "+02:00"}},
		{"future", alive + at(time.Now().Add(time.Hour)), []string{"Target Lies in the Future", "target_time", "has not come yet"}},
		{"dead", store(dead, "source"), nil},
		{"past-end", store(dead, "source") + at(time.Now().Add(-time.Millisecond)), []string{"the target", "lies after the end of the archive, whose last WAL segment is " + segments[1], "UTC", "+02:00"}},
		{"hole", store(holed, "source"), []string{"source.object_store", "lies in a gap", segments[0] + " is missing from the archive"}},
		{"no-backup", store(empty, "source"), []string{"source.object_store", "the archive has no base backup"}},
		{"no-such-backup", alive + "\nbackup_id = \"20010101T000000\"", []string{"there is no backup 20010101T000000; those that can be restored: 20"}},
		{"no-server", store(place{w.store.bucket, w.namespace}, "sorce"), []string{"source.object_store", "There is no archive sorce in", "There are:", "source", "taken"}},
		{"no-bucket", store(place{w.namespace + "-nobodys", "x"}, "source"), []string{"source.object_store", w.namespace + "-nobodys", "does not exist", w.store.bucket}},
		{"other-major", alive + fmt.Sprintf("\nimage = %q", env(t, "PGPLATFORM_POSTGRES_15")), []string{"backup", "was taken by PostgreSQL 17 and cannot be restored by PostgreSQL 15"}},
		{"small", alive + "\nstorage = { size = \"16Mi\" }", []string{"storage.size: the base backup", "do not fit into 16Mi"}},
		{"source", alive, []string{"Restore Onto Its Source"}},
		{"source", store(dead, "source"), []string{w.namespace + "/source", "exists already", "import"}},
		{"of-its-source", alive + "\nbackup = { schedule = \"@yearly\", server_name = \"source\" }", []string{"Archive Folder Is the Source's", "backup.server_name"}},
		{"taken", alive + "\nbackup = { schedule = \"@yearly\", server_name = \"taken\" }", []string{"Archive Folder Is Taken", "the folder taken in", "is not empty"}},
	}
	restores := ""
	for i, r := range refused {
		restores += fmt.Sprintf("resource \"pgplatform_restore\" \"number_%d\" {\n  name = %q\n%s\n}\n", i, r.name, r.attributes)
	}
	cli.write("main.tf", cliConfig(w.config(source+base+restores)))
	told := cli.fails("plan", "-json", "-input=false")
	for i, r := range refused {
		is := told[fmt.Sprintf("pgplatform_restore.number_%d", i)].text
		if len(r.says) == 0 { // the control: what is not refused
			if is != "" {
				t.Errorf("%s: refused:\n%s", r.name, is)
			}
			continue
		}
		if !says(r.says...).MatchString(is) {
			t.Errorf("%s: the plan does not say %q, but:\n%s", r.name, r.says, is)
		}
	}
	cli.write("main.tf", cliConfig(w.config(source)))
	cli.run("destroy", "-input=false", "-auto-approve", "-no-color")
	must(t, errors.Join(w.gone("source"), w.archived("source")))
}

// hasSegment: S3 has a WAL segment of a database.
func (w *world) hasSegment(server, segment string) error {
	if there, err := w.s3.HasSegment(w.t.Context(), w.location(), server, segment); err != nil || !there {
		return fmt.Errorf("the segment %s is not in the folder %s: %w", segment, server, err)
	}
	return nil
}

// told is an error of an apply, and when the resource's apply ended with it.
type told struct {
	text string
	at   time.Time
}

// fails runs the CLI with -json, and returns the errors by address, and under "" those of no resource.
func (w *workdir) fails(args ...string) map[string]told {
	w.t.Helper()
	output, err := w.try(args...)
	if err == nil {
		w.t.Fatalf("terraform %s has not failed:\n%s", args[0], output)
	}
	all := map[string]told{}
	for line := range strings.Lines(output) {
		var event struct {
			At   time.Time `json:"@timestamp"`
			Type string    `json:"type"`
			Hook struct {
				Resource struct {
					Address string `json:"addr"`
				} `json:"resource"`
			} `json:"hook"`
			Diagnostic struct {
				Severity string `json:"severity"`
				Summary  string `json:"summary"`
				Detail   string `json:"detail"`
				Address  string `json:"address"`
			} `json:"diagnostic"`
		}
		if json.Unmarshal([]byte(line), &event) != nil {
			continue
		}
		switch d := event.Diagnostic; {
		case event.Type == "apply_errored":
			is := all[event.Hook.Resource.Address]
			is.at = event.At
			all[event.Hook.Resource.Address] = is
		case event.Type == "diagnostic" && d.Severity == "error":
			is := all[d.Address]
			is.text += d.Summary + "\n" + d.Detail + "\n"
			all[d.Address] = is
		}
	}
	return all
}
