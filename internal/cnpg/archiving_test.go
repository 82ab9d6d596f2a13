package cnpg_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const exitStatus = "unexpected failure invoking barman-cloud-wal-archive: exit status 4"

// archive says of a Cluster whether its last segment was archived.
func archive(works bool, message string) func(*cnpgv1.Cluster) {
	return func(c *cnpgv1.Cluster) {
		if works {
			condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionTrue, "ContinuousArchivingSuccess", "Continuous archiving is working")
			return
		}
		condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionFalse, "ContinuousArchivingFailing", message)
	}
}

// archiveWaits are the waits that an archive which takes no WAL ends, of a Cluster that is healthy otherwise.
var archiveWaits = map[string]func(context.Context, *cnpg.Client, *cnpgv1.Cluster) error{
	"of a new Cluster": func(ctx context.Context, client *cnpg.Client, _ *cnpgv1.Cluster) error {
		_, err := client.WaitReady(ctx, key)
		return err
	},
	"of a restored Cluster": func(ctx context.Context, client *cnpg.Client, _ *cnpgv1.Cluster) error {
		_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(string) {})
		return err
	},
	"of an update": func(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) error {
		_, err := client.WaitUpdated(ctx, cluster, cluster, 0)
		return err
	},
	"beside a backup": func(ctx context.Context, client *cnpg.Client, _ *cnpgv1.Cluster) error {
		return client.WhileArchiving(ctx, key, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
	},
}

// archiver puts a healthy Cluster with an archive, and the pod whose log tells what the archiver said.
func archiver(server *apitest.Server, said string) *cnpgv1.Cluster {
	cluster := archiving(wanted())
	cluster.Spec.ImageName = oldImage
	healthy(cluster)
	server.Put(cluster, claim("my-db-1", "PG_DATA", "1Gi", nil), instance(cluster))
	server.Log(key.Namespace, "my-db-1", "postgres", `{"level":"info","logger":"barman-cloud-backup","msg":"ERROR: of a backup"}`+"\n"+said)
	return apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
}

// saying is a line of the archiver's.
func saying(text string) string {
	return `{"level":"info","logger":"barman-cloud-wal-archive","msg":"2026-03-26 14:20:44,102 [61] ERROR: ` + text + `","pipe":"stderr"}` + "\n"
}

// An archive that takes no WAL is no reason to wait until the time is over.
func TestWaitEndsWhenArchivingFails(t *testing.T) {
	t.Parallel()
	for name, wait := range archiveWaits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.Archiving, client.Graces.LookAgain = time.Millisecond, 2*time.Millisecond
			cluster := archiver(server, saying("Upload failed: connection reset by peer"))
			apitest.Edit(server, key.Namespace, key.Name, archive(false, exitStatus))
			err := wait(ctx, client, cluster)
			var failed *cnpg.ArchivingError
			if !errors.As(err, &failed) || failed.Key != key || ctx.Err() != nil {
				t.Fatalf("the wait ends with %v, want an ArchivingError", err)
			}
			if want := "WAL archiving fails: " + exitStatus + ": 2026-03-26 14:20:44,102 [61] ERROR: Upload failed: connection reset by peer"; !strings.Contains(err.Error(), want) {
				t.Errorf("the error says %q, want %q", err, want)
			}
		})
	}
}

// An answer of S3 that stays the same ends a wait at once; but of an update, whose pods may still be doing as before.
func TestWaitEndsAtOnceWhenS3Refuses(t *testing.T) {
	t.Parallel()
	for name, wait := range archiveWaits {
		for _, said := range []string{
			"Barman cloud WAL archiver exception: An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
			"Barman cloud WAL archive check exception: An error occurred (403) when calling the HeadBucket operation: Forbidden",
		} {
			t.Run(name+": "+said, func(t *testing.T) {
				t.Parallel()
				ctx, server, client := setup(t)
				client.Graces.Archiving = time.Hour
				atOnce := name != "of an update"
				if !atOnce {
					ended, cancel := context.WithTimeout(ctx, 3*time.Second)
					t.Cleanup(cancel)
					ctx = ended
				}
				cluster := archiver(server, saying(said))
				apitest.Edit(server, key.Namespace, key.Name, archive(false, exitStatus))
				err := wait(ctx, client, cluster)
				var failed *cnpg.ArchivingError
				if errors.As(err, &failed) != atOnce || atOnce && !strings.Contains(err.Error(), said) {
					t.Errorf("the wait ends with %v", err)
				}
			})
		}
	}
}

// A key is mended, and Terraform applied at once: PostgreSQL tries a segment again within a minute, and until then the condition,
// and the last words in the log, are about the key of before.
func TestWaitPassesOverWhatTheArchiverSaidBefore(t *testing.T) {
	t.Parallel()
	const stale, fresh = "An error occurred (InvalidAccessKeyId)", "An error occurred (AccessDenied)"
	at := func(line string) string {
		return strings.Replace(line, "{", fmt.Sprintf(`{"ts":%q,`, time.Now().Format(time.RFC3339Nano)), 1)
	}
	for name, wait := range archiveWaits {
		if name == "of an update" { // which asks nobody what the archiver said
			continue
		}
		for _, refusedAgain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, refused again: %t", name, refusedAgain), func(t *testing.T) {
				t.Parallel()
				ctx, server, client := setup(t)
				client.Graces.Archiving, client.Graces.LookAgain = time.Hour, 2*time.Millisecond
				said := at(saying(stale))
				cluster := archiver(server, said)
				apitest.Edit(server, key.Namespace, key.Name, archive(false, exitStatus))
				ctx, mended := context.WithCancel(ctx)
				t.Cleanup(mended)
				var looks atomic.Int64
				server.Fail(func(r apitest.Request) *apitest.Fault {
					switch {
					case r.Subresource != "log" || looks.Add(1) != 2: // the first has ended nothing
					case refusedAgain:
						server.Log(key.Namespace, "my-db-1", "postgres", said+at(saying(fresh)))
					default:
						apitest.Edit(server, key.Namespace, key.Name, archive(true, ""))
						if name == "beside a backup" {
							mended()
						}
					}
					return nil
				})
				err := wait(ctx, client, cluster)
				if name == "beside a backup" && errors.Is(err, context.Canceled) {
					err = nil
				}
				if looks.Load() < 2 || (err != nil) != refusedAgain || refusedAgain && (!strings.Contains(err.Error(), fresh) || strings.Contains(err.Error(), stale)) {
					t.Errorf("after %d looks at the log the wait ends with %v", looks.Load(), err)
				}
			})
		}
	}
}

// What CNPG says of one segment, or while another instance becomes the primary, passes.
func TestWaitOutlivesAHiccup(t *testing.T) {
	t.Parallel()
	for name, wait := range archiveWaits {
		if name == "of an update" { // which asks nobody what the archiver said
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.Archiving, client.Graces.LookAgain = time.Hour, 2*time.Millisecond
			cluster := archiver(server, "")
			apitest.Edit(server, key.Namespace, key.Name, archive(false, "switchover in progress, refusing archiving"))
			ctx, mended := context.WithCancel(ctx)
			t.Cleanup(mended)
			var looks atomic.Int64
			server.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Subresource == "log" && looks.Add(1) == 2 { // the first has ended nothing
					apitest.Edit(server, key.Namespace, key.Name, archive(true, ""))
					if name == "beside a backup" {
						mended()
					}
				}
				return nil
			})
			err := wait(ctx, client, cluster)
			if name == "beside a backup" && errors.Is(err, context.Canceled) {
				err = nil
			}
			if err != nil || looks.Load() < 2 {
				t.Errorf("after %d looks at the log the wait ends with %v", looks.Load(), err)
			}
		})
	}
}

// Where another instance becomes the primary, nothing is archived; that the Cluster is not healthy is not the archive's fault.
func TestWaitPassesOverArchivingOfAnUnhealthyCluster(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	client.Graces.Archiving, client.Graces.LookAgain = time.Millisecond, 2*time.Millisecond
	archiver(server, "")
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Status.Phase = cnpgv1.PhaseFailOver
		archive(false, exitStatus)(c)
	})
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	t.Cleanup(cancel)
	if _, err := client.WaitReady(short, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitReady: %v", err)
	}
}

// dated has the API server's answers tell the time of a clock that differs from this machine's.
type dated struct {
	base  http.RoundTripper
	ahead time.Duration
}

func (d dated) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := d.base.RoundTrip(request)
	if err == nil {
		response.Header.Set("Date", time.Now().Add(d.ahead).UTC().Format(http.TimeFormat))
	}
	return response, err
}

// ArchivingFails tells a failure that has lasted from one that may pass, by the cluster's clock.
func TestArchivingFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		works bool
		since time.Duration
		ahead time.Duration // of the cluster's clock
		fails bool
	}{
		"works":                            {works: true, since: time.Hour},
		"just now":                         {since: time.Second},
		"for hours":                        {since: time.Hour, fails: true},
		"just now, the clock here is slow": {since: time.Second, ahead: time.Hour},
		"just now, the clock here is fast": {since: time.Second, ahead: -time.Hour},
		"long ago, the clock here is slow": {since: 5 * time.Minute, ahead: time.Hour, fails: true},
		"long ago, the clock here is fast": {since: 5 * time.Minute, ahead: -time.Hour, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, _ := setup(t)
			config := server.Config()
			config.Wrap(func(base http.RoundTripper) http.RoundTripper { return dated{base, test.ahead} })
			client, err := cnpg.New(config, "test")
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Namespace(ctx, key.Namespace); err != nil { // any answer tells the time
				t.Fatal(err)
			}
			cluster := archiver(server, saying("no route to host"))
			archive(test.works, exitStatus)(cluster)
			for i := range cluster.Status.Conditions {
				cluster.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(test.ahead - test.since))
			}
			err = client.ArchivingFails(ctx, cluster)
			if (err != nil) != test.fails || test.fails && !strings.Contains(err.Error(), exitStatus+": 2026-03-26 14:20:44,102 [61] ERROR: no route to host") {
				t.Errorf("ArchivingFails: %v", err)
			}
		})
	}
}
