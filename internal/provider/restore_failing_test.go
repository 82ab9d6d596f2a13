package provider_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// nowhere is an address of S3 that this machine does not reach, whatever the pods do: nothing listens there.
const nowhere = "http://127.0.0.1:1"

// failing is a restore that fails when it is applied.
type failing struct {
	name   string
	source string // attributes of source
	more   string // attributes of the restore
	says   *regexp.Regexp
	// running tells that no pod fails, nothing that the Cluster is not even made.
	running, nothing bool
}

// restores are their configuration. What the archive of a database that is gone does not tell is set.
func (f *failures) restores(all ...failing) string {
	var text strings.Builder
	for _, r := range all {
		fmt.Fprintf(&text, `
resource "pgplatform_restore" %[1]q {
  name      = %[1]q
  tier      = "DEV"
  resources = { cpu = "10m" } # they are many
  source    = {
    %[2]s
  }
  %[3]s
`, r.name, r.source, r.more)
		for attribute, value := range map[string]string{"image": fmt.Sprintf("%q", f.image), "backup": "{ enabled = false }", "database_name": `"app"`, "owner": `"app"`} {
			if !strings.Contains(r.more, "\n"+attribute+" = ") {
				fmt.Fprintf(&text, "  %s = %s\n", attribute, value)
			}
		}
		text.WriteString("}\n")
	}
	return text.String()
}

// applyAndFail applies the plan, and returns the errors by address.
func (f *failures) applyAndFail() map[string]told {
	f.t.Helper()
	return f.cli.fails("apply", "-json", "-input=false", "-parallelism=4", "plan")
}

// check looks at the error of a restore, and whether the first pod that failed has ended the wait, and says how long it took
// from there to the error.
func (f *failures) check(r failing, is told) {
	f.t.Helper()
	if !r.says.MatchString(is.text) {
		f.t.Errorf("%s: the error is not as expected (%s):\n%s", r.name, r.says, is.text)
	}
	_, err := f.cluster(r.name)
	if r.nothing {
		if !errors.Is(err, cnpg.ErrNotFound) {
			f.t.Errorf("%s: the Cluster is there: %v", r.name, err)
		}
		return
	}
	must(f.t, err)
	failed, err := f.failedPods(r.name)
	must(f.t, err)
	pod := inPod.FindStringSubmatch(is.text)
	switch {
	case r.running && pod == nil:
	case r.running || pod == nil:
		f.t.Errorf("%s: of the pods that failed, %v, the error names %q", r.name, failed, pod)
	default:
		// A Job waits for ten seconds before it tries again, so that whole seconds tell the pods of before from those of after.
		before := 0
		for name, at := range failed {
			switch {
			case at.After(is.at):
			case name != pod[1] && f.lostConnection(name):
				f.t.Logf("%s: the pod %s lost its connection to S3, which a retry mends", r.name, name)
				f.goneOn--
			default:
				before++
			}
		}
		if first, ok := failed[pod[1]]; !ok || first.After(is.at) || before != 1 {
			f.t.Errorf("%s: the error of %s names %q, and the pods of the recovery failed at %v", r.name, is.at, pod[1], failed)
		}
		f.goneOn += len(failed) - before
		line, _, _ := strings.Cut(is.text[strings.Index(is.text, pod[0])+len(pod[0]):], "\n")
		f.t.Logf("%s: %.1f s from the failed pod to the error: %s", r.name, is.at.Sub(failed[pod[1]]).Seconds(), line)
	}
}

// inPod is where an error names the pod that failed.
var inPod = regexp.MustCompile(`\(pod ([-a-z0-9]+)\): `)

// failedPods are the pods of a recovery that failed, and when.
func (w *world) failedPods(name string) (map[string]time.Time, error) {
	pods, err := w.core.Pods(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name + ",cnpg.io/jobRole=full-recovery"})
	if err != nil {
		return nil, err
	}
	failed := map[string]time.Time{}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if t := status.State.Terminated; t != nil && t.ExitCode != 0 {
				failed[pod.Name] = t.FinishedAt.Time
			}
		}
	}
	return failed, nil
}

// lostConnection tells whether barman says in a pod of a recovery that S3 broke off a connection, as on a machine that is overloaded.
func (w *world) lostConnection(pod string) bool {
	w.t.Helper()
	is, err := w.core.Pods(w.namespace).Get(w.t.Context(), pod, metav1.GetOptions{})
	must(w.t, err)
	for _, container := range slices.Concat(is.Spec.InitContainers, is.Spec.Containers) {
		log, err := w.core.Pods(w.namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container.Name}).DoRaw(w.t.Context())
		must(w.t, err)
		if strings.Contains(string(log), "Connection broken: ConnectionResetError") {
			return true
		}
	}
	return false
}

// ownBucket makes a bucket and is a place in it.
func (m *meddler) ownBucket(name string) place {
	m.t.Helper()
	p := place{m.namespace + "-" + name, "backups"}
	_, err := m.s3.CreateBucket(m.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(p.bucket)})
	must(m.t, err)
	return p
}

// removeBucket takes away a bucket with what is in it.
func (m *meddler) removeBucket(bucket string) error {
	if err := m.remove(bucket, ""); err != nil {
		return err
	}
	_, err := m.s3.DeleteBucket(m.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucket)})
	return err
}

// once does something as soon as a Cluster exists: the provider has looked at the archive then, and its pods have not yet.
// The channel tells how that went.
func (m *meddler) once(applying context.Context, name string, do func() error) <-chan error {
	return m.when(applying, func(ctx context.Context) (bool, error) {
		_, err := m.kubernetes.GetCluster(ctx, cnpg.Key{Namespace: m.namespace, Name: name})
		if errors.Is(err, cnpg.ErrNotFound) {
			return false, nil
		}
		return true, err
	}, do)
}

// onceLogged does something as soon as the log of a Cluster's recovery, in whichever try, says a text.
func (m *meddler) onceLogged(applying context.Context, name, text string, do func() error) <-chan error {
	return m.when(applying, func(ctx context.Context) (bool, error) {
		pods, err := m.core.Pods(m.namespace).List(ctx, metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name + ",cnpg.io/jobRole=full-recovery"})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool {
			log, err := m.core.Pods(m.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: "full-recovery"}).DoRaw(ctx)
			return err == nil && strings.Contains(string(log), text) // there is no log before the container runs
		}), nil
	}, do)
}

// when does something as soon as a condition holds while an apply runs.
func (m *meddler) when(applying context.Context, condition wait.ConditionWithContextFunc, do func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := wait.PollUntilContextCancel(applying, 100*time.Millisecond, true, condition)
		if err == nil {
			err = do()
		} else {
			err = fmt.Errorf("what was to be met while the apply ran never came: %w", err)
		}
		done <- err
	}()
	return done
}
