package provider_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-log/tflogtest"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// sink is a log that tells of each line, while it is written.
type sink struct {
	line func(string)

	mu  sync.Mutex
	all bytes.Buffer
}

func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(string(line))
	return s.all.Write(line)
}

// What a restore waits for stands in Terraform's log at info level: the phase, the WAL segment and how far that is. That it does so
// every ten seconds, TestWaitRestoredTellsEveryTenSeconds shows.
func TestRestoreTellsTheLogHowItGoesOn(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	w := &scene{fakes: s.fakes, story: &story{of: theRestore}}
	w.recovering(func(pod *corev1.Pod, _ *batchv1.Job) {
		w.kube.Log(fakeNamespace, pod.Name, "full-recovery",
			`{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"restored log file \"000000010000000000000007\" from archive"}}`)
	})
	var once sync.Once
	log := &sink{line: func(line string) {
		if strings.Contains(line, "replaying WAL") {
			once.Do(w.recovered)
		}
	}}
	s.w.Write(s.config(restoreOf(unprotected + withinTheWindow)))
	if diags := s.w.Apply(tflogtest.RootLogger(t.Context(), log)); diags.HasError() {
		t.Fatal(diags)
	}
	entries, err := tflogtest.MultilineJSONDecode(&log.all)
	if err != nil {
		t.Fatal(err)
	}
	const want = "Setting up primary, pod my-db-pitr-1-full-recovery-x7x7x Running: replaying WAL, segment 000000010000000000000007 (3 of at most 13)"
	var told []any
	for _, entry := range entries {
		if entry["@message"] == "restoring" && entry["@level"] == "info" && entry["cluster"] == "myorg/my-db-pitr" {
			told = append(told, entry["progress"])
		}
	}
	if !slices.Contains(told, any(want)) {
		t.Errorf("the log tells %q, want %q", told, want)
	}
}

// While the source's last WAL segment is on its way to S3, the log says so.
func TestRestoreTellsTheLogThatItWaitsForTheSource(t *testing.T) {
	t.Parallel()
	const flushed = "000000010000000000000012"
	s, a := restoreStage(t)
	s.kube.OnExec(func(string, string, []string) (string, string, error) { return flushAnswer(flushed), "", nil })
	var once sync.Once
	log := &sink{line: func(line string) {
		if strings.Contains(line, "waiting for the source's last WAL") {
			once.Do(func() { a.WAL(flushed, s.now()) })
		}
	}}
	s.w.Write(s.config(restoreOf(unprotected)))
	if diags := s.w.Apply(tflogtest.RootLogger(t.Context(), log)); diags.HasError() {
		t.Fatal(diags)
	}
	entries, err := tflogtest.MultilineJSONDecode(&log.all)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(entries, func(entry map[string]any) bool {
		return entry["@message"] == "waiting for the source's last WAL" && entry["@level"] == "info" && entry["source"] == "myorg/my-db" && entry["segment"] == flushed
	}) {
		t.Errorf("the log tells %v", entries)
	}
}
