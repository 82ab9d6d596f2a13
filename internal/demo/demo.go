// Package demo lives the product's story on a real platform: a database, rows, a mistake, and two restores, one to the
// instant before it. Terraform runs what is in examples/demo; whether it did what it says is looked up in PostgreSQL,
// Kubernetes and S3. `make demo` shows it to a person, and an acceptance test runs it too.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// Names of the three databases of the story.
const (
	sourceName   = "my-db"
	pitrName     = "my-db-pitr"
	restoredName = "my-db-restored"
)

// Demo is one run of the story. All fields but Environ are needed.
type Demo struct {
	// Out is where the story is told.
	Out io.Writer
	// CLI is the Terraform or OpenTofu command.
	CLI string
	// Environ is added to the environment in which it runs.
	Environ []string
	// Examples is the folder of the configuration, examples/demo.
	Examples string
	// Workdir is where Terraform runs and keeps its state, an absolute path. It is emptied first, and what its state knows destroyed.
	Workdir string
	// Namespace is where the databases live. It must exist.
	Namespace string
	// Kubernetes and S3 are for looking at the world.
	Kubernetes *cnpg.Client
	S3         *archive.Client
	// Bucket is where the databases archive to.
	Bucket string
}

// Run tells the whole story. It stops at the first thing that is not as it should be.
func (d *Demo) Run(ctx context.Context) error {
	begun := time.Now()
	story := &story{Demo: d}
	for _, chapter := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Clear what an earlier demo left", story.clear},
		{"1. A database with backups every night and WAL archived to S3", story.createDatabase},
		{"2. Rows, a backup by hand, more rows; then the mistake: DELETE of everything", story.live},
		{"3. The backups that S3 holds, and the window that can be restored", story.list},
		{"4. Two restores: to the instant before the mistake, and to the latest state", story.restore},
		{"5. What the databases and S3 hold now", story.verify},
		{"6. Nothing left to do, and what cannot be done is refused", story.refuse},
	} {
		start := time.Now()
		d.say("\n━━ %s", chapter.title)
		if err := chapter.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", chapter.title, err)
		}
		d.say("   (%s)", time.Since(start).Round(100*time.Millisecond))
	}
	d.say("\nThe whole story took %s.", time.Since(begun).Round(time.Second))
	return nil
}

// Next prints what to look at when the story is over.
func (d *Demo) Next() {
	d.say(`
Look around (the platform stays up until `+"`make platform-down`"+`):

  source .platform/env
  kubectl -n %[1]s get clusters,backups,scheduledbackups,pods
  kubectl -n %[1]s exec -it %[2]s-1 -c postgres -- psql -d app -c 'SELECT count(*), max(committed) FROM orders'
  terraform -chdir=%[3]s plan
  terraform -chdir=%[3]s state show data.pgplatform_backups.my_db
`, d.Namespace, pitrName, d.Workdir)
}

func (d *Demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

// proved tells what was looked up and found to be so.
func (d *Demo) proved(format string, args ...any) { d.say("   ✓ "+format, args...) }

func (d *Demo) key(name string) cnpg.Key { return cnpg.Key{Namespace: d.Namespace, Name: name} }

// story is what one run remembers from chapter to chapter.
type story struct {
	*Demo

	mistake time.Time // when the DELETE was committed
	target  time.Time // the instant before
	before  []row     // what there was until then
	after   []row     // what was written after it
	source  fingerprint
}

// clear destroys what the working folder's state knows, and empties the folder.
func (s *story) clear(ctx context.Context) error {
	if err := s.Destroy(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(s.Workdir); err != nil {
		return err
	}
	return os.MkdirAll(s.Workdir, 0o750)
}

// Destroy lets go of everything that a run made, but for what is in S3.
func (d *Demo) Destroy(ctx context.Context) error {
	switch _, err := os.Stat(filepath.Join(d.Workdir, "terraform.tfstate")); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := d.settings(map[string]any{"deletion_protection": false, "target_time": time.Now().UTC().Format(time.RFC3339)}); err != nil {
		return err
	}
	return d.destroyKnown(ctx)
}

func (s *story) createDatabase(ctx context.Context) error {
	if err := s.settings(map[string]any{}); err != nil {
		return err
	}
	if err := s.add("variables.tf", "database.tf"); err != nil {
		return err
	}
	if err := s.terraform(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	cluster, err := s.Kubernetes.GetCluster(ctx, s.key(sourceName))
	if err != nil {
		return err
	}
	if !cnpg.Healthy(cluster) {
		return fmt.Errorf("the apply ended, but the cluster is not healthy: %s", cluster.Status.Phase)
	}
	if works, message := cnpg.ContinuousArchiving(cluster); works == nil || !*works {
		return fmt.Errorf("the apply ended, but the cluster does not archive: %s", message)
	}
	s.proved("the Cluster %s is healthy and archives its WAL", s.key(sourceName))
	return nil
}

func (s *story) live(ctx context.Context) error {
	key := s.key(sourceName)
	if err := s.exec(ctx, key, createOrders); err != nil {
		return err
	}
	if err := s.write(ctx, key, 1, 20); err != nil {
		return err
	}
	s.say("   20 rows written, each in a transaction of its own")
	if err := s.add("backup.tf"); err != nil {
		return err
	}
	if err := s.terraform(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	if err := s.write(ctx, key, 21, 40); err != nil {
		return err
	}
	s.say("   20 more rows written")
	var err error
	if s.before, err = s.rows(ctx, key); err != nil {
		return err
	}
	if s.mistake, err = s.deleteEverything(ctx, key); err != nil {
		return err
	}
	s.target = s.mistake.Add(-time.Microsecond)
	s.say("   DELETE FROM orders, committed at %s", s.mistake.Format(time.RFC3339Nano))
	if err := s.write(ctx, key, 101, 105); err != nil {
		return err
	}
	if s.after, err = s.rows(ctx, key); err != nil {
		return err
	}
	s.say("   nobody has noticed yet: 5 rows written after it")
	s.source, err = s.fingerprint(ctx, key)
	return err
}

func (s *story) list(ctx context.Context) error {
	if err := s.add("backups.tf"); err != nil {
		return err
	}
	if err := s.terraform(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	return s.checkList(ctx)
}

func (s *story) restore(ctx context.Context) error {
	if err := s.settings(map[string]any{"target_time": s.target.Format(time.RFC3339Nano)}); err != nil {
		return err
	}
	if err := s.add("restore.tf"); err != nil {
		return err
	}
	s.say("   target_time = %s, one microsecond before the mistake", s.target.Format(time.RFC3339Nano))
	return s.terraform(ctx, "apply", "-auto-approve")
}

func (s *story) refuse(ctx context.Context) error {
	changes, err := s.plan(ctx)
	if err != nil {
		return err
	}
	if changes {
		return errors.New("terraform plan finds something to do after the apply")
	}
	s.proved("terraform plan is empty")
	return s.refuseTooEarly(ctx)
}
