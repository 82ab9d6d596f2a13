package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// checkList looks at what the data source told Terraform.
func (s *story) checkList(ctx context.Context) error {
	state, err := s.state(ctx)
	if err != nil {
		return err
	}
	var listed backupsValues
	if err := json.Unmarshal(state["data.pgplatform_backups.my_db"], &listed); err != nil {
		return fmt.Errorf("read data.pgplatform_backups from the state: %w", err)
	}
	manual := 0
	for _, b := range listed.Backups {
		s.say("   %-32s %-9s %-11s %s", b.ID, b.Type, b.Status, b.CompletedAt.Format(time.RFC3339))
		if b.Type == "MANUAL" && b.Status == "COMPLETED" {
			manual++
		}
	}
	if manual != 1 {
		return fmt.Errorf("the list has %d completed backups by hand, not one", manual)
	}
	window := listed.Window
	if window.Earliest.IsZero() || !window.Earliest.Before(s.target) {
		return fmt.Errorf("the recovery window begins at %s, not before the mistake", window.Earliest)
	}
	s.proved("the window reaches from %s to about %s", window.Earliest.Format(time.RFC3339), window.Latest.Format(time.RFC3339))
	return nil
}

// backupsValues are the attributes of data.pgplatform_backups that the story looks at.
type backupsValues struct {
	Backups []struct {
		ID          string    `json:"id"`
		Type        string    `json:"type"`
		Status      string    `json:"status"`
		CompletedAt time.Time `json:"completed_at"`
	} `json:"backups"`
	Window struct {
		Earliest time.Time `json:"earliest"`
		Latest   time.Time `json:"latest"`
	} `json:"recovery_window"`
}

// verify looks into the three databases and their three folders in S3.
func (s *story) verify(ctx context.Context) error {
	inTime, err := s.rows(ctx, s.key(pitrName))
	if err != nil {
		return err
	}
	if !sameIDs(inTime, s.before) {
		return fmt.Errorf("%s has %d rows; %d were committed up to the target", pitrName, len(inTime), len(s.before))
	}
	for _, r := range s.before {
		if r.committed.After(s.target) {
			return fmt.Errorf("row %d was committed at %s, after the target", r.id, r.committed)
		}
	}
	s.proved("%s has all %d rows committed up to %s, the last of them at %s, and none after",
		pitrName, len(inTime), s.target.Format(time.RFC3339Nano), s.before[len(s.before)-1].committed.Format(time.RFC3339Nano))

	latest, err := s.rows(ctx, s.key(restoredName))
	if err != nil {
		return err
	}
	if !sameIDs(latest, s.after) {
		return fmt.Errorf("%s has %d rows; after the mistake there were %d", restoredName, len(latest), len(s.after))
	}
	s.proved("%s has the state after the mistake: the %d rows written since", restoredName, len(latest))

	now, err := s.fingerprint(ctx, s.key(sourceName))
	if err != nil {
		return err
	}
	if now != s.source {
		return fmt.Errorf("%s was touched: before the restores %+v, now %+v", sourceName, s.source, now)
	}
	s.proved("%s was not touched: same rows, same pods without a restart, same spec, same timeline", sourceName)
	return s.checkArchives(ctx)
}

// fingerprint is what a restore must leave as it is in its source. WAL locations are not in it: the restore commits an
// empty transaction and switches the segment.
type fingerprint struct {
	rows       string
	timeline   string
	generation int64
	pods       string
}

func (s *story) fingerprint(ctx context.Context, key cnpg.Key) (fingerprint, error) {
	cluster, err := s.Kubernetes.GetCluster(ctx, key)
	if err != nil {
		return fingerprint{}, err
	}
	f := fingerprint{generation: cluster.Generation}
	if f.rows, err = s.Kubernetes.QueryPrimary(ctx, key, applicationDatabase,
		`SELECT count(*), md5(string_agg(orders::text || xmin, ',' ORDER BY id)) FROM orders`); err != nil {
		return fingerprint{}, err
	}
	if f.timeline, err = s.Kubernetes.QueryPrimary(ctx, key, applicationDatabase, `SELECT timeline_id FROM pg_control_checkpoint()`); err != nil {
		return fingerprint{}, err
	}
	err = s.Kubernetes.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster, cnpg.KindPod}, func(snapshot *cnpg.Snapshot) (bool, error) {
		var pods []string
		for _, pod := range snapshot.Pods {
			if pod.Labels["cnpg.io/podRole"] == "instance" {
				restarts := int32(0)
				for _, container := range pod.Status.ContainerStatuses {
					restarts += container.RestartCount
				}
				pods = append(pods, fmt.Sprintf("%s %s %d", pod.Name, pod.UID, restarts))
			}
		}
		f.pods = strings.Join(pods, ", ")
		return true, nil
	})
	return f, err
}

// checkArchives makes sure that each database has a folder of its own, with WAL of its own timeline alone.
func (s *story) checkArchives(ctx context.Context) error {
	var servers []string
	for _, name := range []string{sourceName, pitrName, restoredName} {
		cluster, err := s.Kubernetes.GetCluster(ctx, s.key(name))
		if err != nil {
			return err
		}
		server := cnpg.ServerName(cluster)
		if slices.Contains(servers, server) {
			return fmt.Errorf("%s archives into the folder %s of another database", name, server)
		}
		servers = append(servers, server)
		catalog, err := s.S3.Catalog(ctx, archive.Location{Bucket: s.Bucket}, server)
		if err != nil {
			return err
		}
		if err := checkTimelines(name, catalog); err != nil {
			return err
		}
		s.proved("S3 folder %s: %d base backups, WAL of %s only", server, len(catalog.Backups), name)
	}
	return nil
}

// checkTimelines: the source never left its first timeline, and a recovery always ends on a later one.
func checkTimelines(name string, catalog *recovery.Catalog) error {
	if len(catalog.WAL.Ranges()) == 0 {
		return fmt.Errorf("%s has archived no WAL", name)
	}
	for _, run := range catalog.WAL.Ranges() {
		if first := run.Timeline == 1; first != (name == sourceName) {
			return fmt.Errorf("the archive of %s holds WAL of timeline %d", name, run.Timeline)
		}
	}
	return nil
}

// tooEarly is a restore that cannot succeed: nothing reaches back that far.
const tooEarly = `resource "pgplatform_restore" "too_early" {
  name        = "my-db-2001"
  namespace   = var.namespace
  source      = { database = pgplatform_database.my_db.id }
  target_time = "2001-01-01T00:00:00Z"
}
`

func (s *story) refuseTooEarly(ctx context.Context) error {
	file := filepath.Join(s.Workdir, "too_early.tf")
	if err := os.WriteFile(file, []byte(tooEarly), 0o600); err != nil {
		return err
	}
	_, err := s.output(ctx, "plan")
	if removeErr := os.Remove(file); removeErr != nil {
		return removeErr
	}
	if err == nil {
		return errors.New("a restore to 2001 was planned")
	}
	for line := range strings.Lines(err.Error()) {
		s.say("   │ %s", strings.TrimRight(line, "\n"))
	}
	// The CLI breaks lines where they are too long.
	if !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), "recovery window") {
		return errors.New("the refusal does not name the recovery window")
	}
	s.proved("a restore to 2001 is refused at plan")
	return nil
}
