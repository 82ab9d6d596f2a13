package cnpg_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const deprecated = "Native support for Barman Cloud backups and recovery is deprecated"

func TestWarnings(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{Warnings: []string{deprecated, `unusual "quoting"`}}))
	var warnings, others cnpg.Warnings
	if _, err := client.CreateCluster(cnpg.WithWarnings(ctx, &warnings), wanted()); err != nil {
		t.Fatal(err)
	}
	if got, want := warnings.Texts(), []string{deprecated, `unusual "quoting"`}; !slices.Equal(got, want) {
		t.Errorf("warnings are %q, want %q", got, want)
	}
	if _, err := client.GetCluster(cnpg.WithWarnings(ctx, &others), key); err != nil || len(others.Texts()) != 0 {
		t.Errorf("another context's warnings are %q (%v)", others.Texts(), err)
	}
	other := wanted()
	other.Name = "other"
	if _, err := client.CreateCluster(ctx, other); err != nil { // nobody collects: no panic
		t.Fatal(err)
	}
}

func TestWarningsBesideAnError(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{Status: http.StatusForbidden, Warnings: []string{deprecated}}))
	var warnings cnpg.Warnings
	if _, err := client.CreateCluster(cnpg.WithWarnings(ctx, &warnings), wanted()); err == nil {
		t.Fatal("no error")
	}
	if got := warnings.Texts(); !slices.Equal(got, []string{deprecated}) {
		t.Errorf("warnings are %q", got)
	}
}

// What a refresh of a database reads, and nothing more: no discovery, no OpenAPI, no Secret.
func TestReadsTakeOneRequestEach(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(wanted(), &cnpgv1.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
	})
	if _, err := client.GetCluster(ctx, key); err != nil {
		t.Fatal(err)
	}
	scheduled, err := client.GetScheduledBackup(ctx, key)
	if err != nil || scheduled.Spec.Schedule != "0 0 2 * * *" {
		t.Fatalf("GetScheduledBackup = %v, %v", scheduled, err)
	}
	requests(t, server, "get clusters myorg/my-db", "get scheduledbackups myorg/my-db")
	for _, r := range server.Requests() {
		if r.UserAgent != "cnpg-test/1" {
			t.Errorf("user agent %q", r.UserAgent)
		}
	}
}

// The client of a hundred databases is not slowed down by itself: client-go's own limit is 5 requests a second.
func TestClientIsNotThrottledByItself(t *testing.T) {
	t.Parallel()
	_, server, _ := setup(t)
	config, err := cnpg.Connection{Host: server.URL}.RESTConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if config.QPS >= 0 {
		t.Errorf("QPS is %v, want no limit", config.QPS)
	}
}

func TestApplySecret(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "my-db-backup-s3-creds", Labels: map[string]string{cnpg.LabelReload: "true"}},
		Data:       map[string][]byte{"ACCESS_KEY_ID": []byte("AKIAOLD"), "REGION": []byte("eu-west-1")},
	}
	if err := client.ApplySecret(ctx, secret, false); err != nil {
		t.Fatal(err)
	}
	apitest.EditAs(server, "kubectl-edit", key.Namespace, secret.Name, func(s *corev1.Secret) { s.Data["ACCESS_KEY_ID"] = []byte("CHANGED") })
	secret.Data = map[string][]byte{"ACCESS_KEY_ID": []byte("AKIANEW")}
	if err := client.ApplySecret(ctx, secret, false); err != nil {
		t.Fatalf("what is in the Secret is the provider's: %v", err)
	}
	live := apitest.Get[corev1.Secret](server, key.Namespace, secret.Name)
	if string(live.Data["ACCESS_KEY_ID"]) != "AKIANEW" || len(live.Data) != 1 {
		t.Errorf("data is %q", live.Data)
	}
	requests(t, server, "apply secrets myorg/my-db-backup-s3-creds", "apply secrets myorg/my-db-backup-s3-creds", "get secrets myorg/my-db-backup-s3-creds", "apply secrets myorg/my-db-backup-s3-creds")
	for _, r := range server.Requests() {
		if r.Is(apitest.VerbGet, "secrets") && !r.Metadata {
			t.Error("a Secret was read whole")
		}
	}
}

// A Secret that somebody else made is neither overwritten nor deleted, unless it is taken over by force.
func TestSecretOfOthers(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	secret := func(value string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Data: map[string][]byte{"ACCESS_KEY_ID": []byte(value)}}
	}
	server.Put(secret("THEIRS"))
	held := func() string {
		live := apitest.Get[corev1.Secret](server, key.Namespace, key.Name)
		if live == nil {
			return ""
		}
		return string(live.Data["ACCESS_KEY_ID"])
	}
	var conflict *cnpg.ConflictError
	if err := client.ApplySecret(ctx, secret("OURS"), false); !errors.As(err, &conflict) || conflict.Conflicts[0] != (cnpg.FieldConflict{Manager: apitest.Kubectl, Field: ".data.ACCESS_KEY_ID"}) {
		t.Errorf("ApplySecret = %v", err)
	}
	if err := client.DeleteSecret(ctx, key, "uid"); err != nil || held() != "THEIRS" {
		t.Errorf("DeleteSecret = %v, the Secret holds %q", err, held())
	}
	if err := client.ApplySecret(ctx, secret("OURS"), true); err != nil || held() != "OURS" {
		t.Errorf("by force: %v, the Secret holds %q", err, held())
	}
	if err := client.DeleteSecret(ctx, key, "uid"); err != nil || held() != "" {
		t.Errorf("DeleteSecret = %v, the Secret holds %q", err, held())
	}
}

func TestApplyScheduledBackup(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	scheduled := &cnpgv1.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
	}
	for _, schedule := range []string{"0 0 2 * * *", "0 30 3 * * *"} {
		scheduled.Spec.Schedule = schedule
		applied, err := client.ApplyScheduledBackup(ctx, scheduled, cnpg.Ownership[cnpgv1.ScheduledBackup]{})
		if err != nil || applied.Spec.Schedule != schedule {
			t.Fatalf("ApplyScheduledBackup = %v, %v", applied, err)
		}
	}
	requests(t, server, "apply scheduledbackups myorg/my-db", "apply scheduledbackups myorg/my-db")
}

func TestNamespace(t *testing.T) {
	t.Parallel()
	ctx, _, client := setup(t)
	if err := client.Namespace(ctx, key.Namespace); err != nil {
		t.Error(err)
	}
	if err := client.Namespace(ctx, "missing"); err == nil || err.Error() != "Namespace missing: not found" {
		t.Errorf("Namespace: %v", err)
	}
}

func TestFlush(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := wanted()
	healthy(cluster)
	server.Put(cluster, pod("my-db-1", "postgres"))
	var ran []string
	server.OnExec(func(pod, container string, command []string) (string, string, error) {
		ran = append([]string{pod, container}, command...)
		return "2026-03-26T12:00:07.000411Z\nf\n000000010000000000000007\n", "", nil
	})
	flushed, err := client.Flush(ctx, key)
	if want := (cnpg.Flushed{Segment: "000000010000000000000007", At: time.Date(2026, 3, 26, 12, 0, 7, 411_000, time.UTC)}); err != nil || flushed != want {
		t.Fatalf("Flush = %+v, %v", flushed, err)
	}
	if len(ran) < 3 || ran[0] != "my-db-1" || ran[1] != "postgres" || ran[2] != "psql" || !strings.Contains(strings.Join(ran, " "), "pg_switch_wal()") {
		t.Errorf("ran %q", ran)
	}
}

func TestFlushRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*apitest.Server)
		want    string
	}{
		"no primary": {func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "" })
		}, "the cluster has no primary at the moment"},
		"no pod": {func(s *apitest.Server) {
			s.OnExec(silentPSQL)
			apitest.Delete[corev1.Pod](s, key.Namespace, "my-db-1")
		}, `pods "my-db-1" not found`},
		"no right":     {func(*apitest.Server) {}, `cannot create resource "pods/exec"`},
		"psql's error": {func(s *apitest.Server) { s.OnExec(failingPSQL) }, "psql: error: connection to server on socket failed"},
		"no answer":    {func(s *apitest.Server) { s.OnExec(silentPSQL) }, "unexpected answer"},
		"no segment":   {func(s *apitest.Server) { s.OnExec(answering("2026-03-26T12:00:07.000411Z\nf\n\n")) }, "unexpected answer"},
		"no time":      {func(s *apitest.Server) { s.OnExec(answering("f\n000000010000000000000007\n")) }, "unexpected answer"},
		"a time that is none": {func(s *apitest.Server) {
			s.OnExec(answering("2026-13-26T12:00:07.000411Z\nf\n000000010000000000000007\n"))
		}, "unexpected answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := wanted()
			healthy(cluster)
			server.Put(cluster, pod("my-db-1", "postgres"))
			test.prepare(server)
			if _, err := client.Flush(ctx, key); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Flush: %v, want an error with %q", err, test.want)
			}
		})
	}
}

func failingPSQL(string, string, []string) (string, string, error) {
	return "", "psql: error: connection to server on socket failed\n", errExit
}

// answering is a psql that prints a text.
func answering(text string) apitest.Exec {
	return func(string, string, []string) (string, string, error) { return text, "", nil }
}

func silentPSQL(string, string, []string) (string, string, error) { return "", "", nil }

type exitError string

func (e exitError) Error() string { return string(e) }

const errExit = exitError("command terminated with exit code 2")

// A database is asked for what it has archived last; what is archived in order tells of a segment.
func TestArchived(t *testing.T) {
	t.Parallel()
	const segment = "00000002000000010000000A"
	for last, want := range map[string]bool{
		"":                                         false,
		"000000020000000100000009":                 false,
		"00000002000000010000000A":                 true,
		"00000002000000010000000B":                 true,
		"000000020000000200000000":                 true,
		"0000000200000000000000FF":                 false,
		"00000002000000010000000A.00000028.backup": true,
		"000000020000000100000009.00000028.backup": false,
		"00000002000000010000000B.partial":         false,
		"00000001000000010000000B":                 false,
		"00000003000000010000000B":                 false,
		"00000002.history":                         false,
		"00000003.history":                         false,
	} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := wanted()
			healthy(cluster)
			server.Put(cluster, pod("my-db-1", "postgres"))
			server.OnExecWithInput(func(_, _ string, _ []string, stdin string) (string, string, error) {
				if !strings.Contains(stdin, "SELECT last_archived_wal FROM pg_stat_archiver") {
					t.Errorf("asked %s", stdin)
				}
				return last + "\n", "", nil
			})
			if told, archived, err := client.Archived(ctx, key, segment); err != nil || archived != want || told != last {
				t.Errorf("Archived = %q, %t, %v", told, archived, err)
			}
		})
	}
}
