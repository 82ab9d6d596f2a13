package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// barman is a release of barman-cloud on this machine.
type barman struct {
	version string
	dir     string // of Python modules
}

// installed gets the releases: an old one first, and the one that the platform's images have.
var installed = sync.OnceValues(func() ([]barman, error) {
	cmd := exec.Command("go", "run", "-C", "../../tools/platform", ".", "barman")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var releases []barman
	for line := range strings.Lines(string(out)) {
		version, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		releases = append(releases, barman{version, dir})
	}
	return releases, nil
})

func barmans(t testing.TB) (old, current barman) {
	t.Helper()
	releases, err := installed()
	if err != nil || len(releases) != 2 {
		t.Fatalf("getting barman: %v, %v", releases, err)
	}
	return releases[0], releases[1]
}

// listedByBarman is what barman-cloud-backup-list prints of a backup.
type listedByBarman struct {
	ID          string  `json:"backup_id"`
	Name        *string `json:"backup_name"`
	Status      string  `json:"status"`
	BeginTime   *string `json:"begin_time"` // without its zone
	EndTime     *string `json:"end_time"`
	BeginISO    *string `json:"begin_time_iso"` // not in old releases
	EndISO      *string `json:"end_time_iso"`
	BeginWAL    *string `json:"begin_wal"`
	EndWAL      *string `json:"end_wal"`
	BeginLSN    *string `json:"begin_xlog"`
	EndLSN      *string `json:"end_xlog"`
	Timeline    *int64  `json:"timeline"`
	SegmentSize *int64  `json:"xlog_segment_size"`
	SystemID    *string `json:"systemid"`
	Version     *int64  `json:"version"`
	ClusterSize *int64  `json:"cluster_size"`
	Compression *string `json:"compression"`
	Encryption  *string `json:"encryption"`
	Error       *string `json:"error"`
	Tablespaces [][]any `json:"tablespaces"`
}

// list runs barman-cloud-backup-list.
func (b barman) list(t testing.TB, srv *s3test.Server, loc archive.Location, server string) []listedByBarman {
	t.Helper()
	out := b.python(t, "-m", "barman.clients.cloud_backup_list", "--format", "json", "--endpoint-url", srv.URL, loc.String(), server)
	var listed struct {
		Backups []listedByBarman `json:"backups_list"`
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		t.Fatalf("barman %s printed %.200q: %v", b.version, out, err)
	}
	return listed.Backups
}

// walScript prints the names of the WAL files that barman finds, without their suffixes, as its commands that delete and
// check WAL do. No command prints them.
const walScript = `
import json, sys
from barman.clients import cloud_backup_list
from barman.cloud import CloudBackupCatalog
from barman.cloud_providers import get_cloud_interface

config = cloud_backup_list.parse_arguments(sys.argv[1:])
catalog = CloudBackupCatalog(get_cloud_interface(config), config.server_name)
json.dump(sorted(catalog.get_wal_paths()), sys.stdout)
`

func (b barman) wal(t testing.TB, srv *s3test.Server, loc archive.Location, server string) []string {
	t.Helper()
	out := b.python(t, "-c", walScript, "--endpoint-url", srv.URL, loc.String(), server)
	var names []string
	if err := json.Unmarshal(out, &names); err != nil {
		t.Fatalf("barman %s printed %.200q: %v", b.version, out, err)
	}
	return names
}

// python runs this machine's Python with the release's modules, and with the key of the store.
func (b barman) python(t testing.TB, args ...string) []byte {
	t.Helper()
	out, err := b.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try is python for what may fail.
func (b barman) try(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), "python3", args...)
	cmd.Env = append(os.Environ(),
		"PYTHONPATH="+b.dir, "PYTHONDONTWRITEBYTECODE=1", "TZ=UTC", "AWS_DEFAULT_REGION="+s3test.Region,
		"AWS_ACCESS_KEY_ID="+s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+s3test.SecretAccessKey)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("barman %s: %w\n%s", b.version, err, stderr.Bytes())
	}
	return out, nil
}
