package cnpg_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const (
	oldImage = "ghcr.io/cloudnative-pg/postgresql:17.5"
	newImage = "ghcr.io/cloudnative-pg/postgresql:17.6"
)

// running puts a healthy Cluster with its one instance, as they stood before a change, and returns the Cluster.
func running(server *apitest.Server) *cnpgv1.Cluster {
	cluster := wanted()
	cluster.Spec.ImageName = oldImage
	cluster.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	healthy(cluster)
	server.Put(cluster, claim("my-db-1", "PG_DATA", "1Gi", nil), instance(cluster))
	return apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
}

// instance is the pod of an instance as CNPG makes it of the Cluster's spec.
func instance(cluster *cnpgv1.Cluster) *corev1.Pod {
	p := pod("my-db-1", "postgres")
	p.Labels["cnpg.io/podRole"] = "instance"
	p.Spec.Containers[0].Image, p.Spec.Containers[0].Resources = cluster.Spec.ImageName, cluster.Spec.Resources
	spec, err := json.Marshal(p.Spec)
	if err != nil {
		panic(err)
	}
	p.Annotations = map[string]string{"cnpg.io/podSpec": string(spec)}
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")} // a LimitRange's default
	return p
}

// The healthy phase from before CNPG has looked at a change is not the end of a wait for the change.
func TestWaitUpdated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change  func(*cnpgv1.ClusterSpec)
		waiting string                                 // what it waits for
		done    func(*apitest.Server, *cnpgv1.Cluster) // what CNPG does
	}{
		"the image": {
			change:  func(s *cnpgv1.ClusterSpec) { s.ImageName = newImage },
			waiting: "pod my-db-1: runs the image " + oldImage + ", not yet " + newImage,
			done:    func(s *apitest.Server, c *cnpgv1.Cluster) { s.Put(instance(c)) },
		},
		"resources": {
			change: func(s *cnpgv1.ClusterSpec) {
				s.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
			},
			waiting: "pod my-db-1: does not have the resources of the Cluster yet",
			done:    func(s *apitest.Server, c *cnpgv1.Cluster) { s.Put(instance(c)) },
		},
		"resources that are no longer asked for": {
			change:  func(s *cnpgv1.ClusterSpec) { s.Resources.Requests = nil },
			waiting: "pod my-db-1: does not have the resources of the Cluster yet",
			done:    func(s *apitest.Server, c *cnpgv1.Cluster) { s.Put(instance(c)) },
		},
		"a larger volume": {
			change:  func(s *cnpgv1.ClusterSpec) { s.StorageConfiguration.Size = "2Gi" },
			waiting: "volume claim my-db-1: has 1Gi of 2Gi",
			done: func(s *apitest.Server, _ *cnpgv1.Cluster) {
				s.Put(claim("my-db-1", "PG_DATA", "2Gi", nil))
			},
		},
		"a volume for WAL": {
			change: func(s *cnpgv1.ClusterSpec) {
				s.WalStorage = &cnpgv1.StorageConfiguration{Size: "1Gi"}
			},
			waiting: "pod my-db-1: has no volume for its WAL yet",
			done:    func(s *apitest.Server, _ *cnpgv1.Cluster) { s.Put(claim("my-db-1-wal", "PG_WAL", "1Gi", nil)) },
		},
		"an instance": {
			change:  func(s *cnpgv1.ClusterSpec) { s.Instances = 2 },
			waiting: "1 of 2 instances have a pod",
			done: func(s *apitest.Server, c *cnpgv1.Cluster) {
				second := instance(c)
				second.Name = "my-db-2"
				s.Put(second)
				apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.ReadyInstances = 2 })
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			before := running(server)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { test.change(&c.Spec) })
			applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)

			short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			t.Cleanup(cancel)
			_, err := client.WaitUpdated(short, before, applied, 0)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), test.waiting) {
				t.Errorf("WaitUpdated before CNPG has done anything: %v, want that it waits for %q", err, test.waiting)
			}
			test.done(server, applied)
			// What is to be seen needs no time to settle.
			if cluster, err := client.WaitUpdated(ctx, before, applied, patience); err != nil || !cnpg.Healthy(cluster) {
				t.Errorf("WaitUpdated = %v, %v", cluster, err)
			}
		})
	}
}

// Pods lose the plugin's container with spec.plugins, also where the plugin has restored the database: that only the recovery shows.
// One that streams from an archive by the plugin keeps it.
func TestWaitUpdatedUntilThePluginIsGone(t *testing.T) {
	t.Parallel()
	plugin := cnpgv1.PluginConfiguration{Name: barmancloud.PluginName, IsWALArchiver: ptr.To(true), Parameters: map[string]string{"barmanObjectName": "origin"}}
	restored := func(s *cnpgv1.ClusterSpec) {
		s.ExternalClusters = []cnpgv1.ExternalCluster{{Name: "origin", PluginConfiguration: &plugin}}
	}
	for name, test := range map[string]struct {
		of    func(*cnpgv1.ClusterSpec)
		keeps bool
	}{
		"made anew":              {func(*cnpgv1.ClusterSpec) {}, false},
		"restored by the plugin": {restored, false},
		"a replica of another database": {func(s *cnpgv1.ClusterSpec) {
			restored(s)
			s.ReplicaCluster = &cnpgv1.ReplicaClusterConfiguration{Source: "elsewhere"}
		}, false},
		"a replica by the plugin": {func(s *cnpgv1.ClusterSpec) {
			restored(s)
			s.ReplicaCluster = &cnpgv1.ReplicaClusterConfiguration{Source: "origin"}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			running(server)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
				test.of(&c.Spec)
				c.Spec.Plugins = []cnpgv1.PluginConfiguration{plugin}
			})
			before := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			pod := instance(before)
			pod.Spec.InitContainers = []corev1.Container{{Name: apitest.SidecarContainer}}
			server.Put(pod)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Plugins = nil })
			applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)

			short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			t.Cleanup(cancel)
			_, err := client.WaitUpdated(short, before, applied, 0)
			if waits := err != nil && strings.Contains(err.Error(), "pod my-db-1: still has the container plugin-barman-cloud"); waits == test.keeps {
				t.Errorf("while a pod has the container, WaitUpdated = %v", err)
			}
			server.Put(instance(applied))
			if _, err := client.WaitUpdated(ctx, before, applied, 0); err != nil {
				t.Errorf("WaitUpdated = %v", err)
			}
		})
	}
}

// CNPG takes the pod away, for a major upgrade, before it says that the Cluster is not healthy.
func TestWaitUpdatedWithoutInstances(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	before := running(server)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.ImageName = newImage })
	applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
	leaving := instance(before)
	leaving.DeletionTimestamp = ptr.To(metav1.Now())
	server.Put(leaving)

	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	t.Cleanup(cancel)
	if _, err := client.WaitUpdated(short, before, applied, 0); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "0 of 1 instances have a pod") {
		t.Errorf("WaitUpdated while the pod is on its way out: %v", err)
	}
	server.Put(instance(applied))
	if _, err := client.WaitUpdated(ctx, before, applied, 0); err != nil {
		t.Errorf("WaitUpdated with the new pod: %v", err)
	}
}

// Of some changes nothing is to be seen at first: the Cluster has to stay ready for a while.
func TestWaitUpdatedLetsItSettle(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	before := running(server)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.Parameters["max_connections"] = "50" })
	applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
	var restarted atomic.Bool
	server.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{Before: func() {
		go func() { // CNPG notices, restarts PostgreSQL, and is healthy again
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseApplyingConfiguration })
			restarted.Store(true)
			apitest.Edit(server, key.Namespace, key.Name, healthy)
		}()
	}}))
	if _, err := client.WaitUpdated(ctx, before, applied, 2*time.Second); err != nil || !restarted.Load() {
		t.Errorf("WaitUpdated: %v, restarted: %t", err, restarted.Load())
	}
	// Where nothing of the spec has changed, nothing is to settle.
	if _, err := client.WaitUpdated(ctx, applied, applied, patience); err != nil {
		t.Errorf("WaitUpdated: %v", err)
	}
}

// Pods that may not be seen show nothing.
func TestWaitUpdatedWithoutPods(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	before := running(server)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.ImageName = newImage })
	applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
	server.Fail(apitest.Each("", "pods", apitest.Fault{Status: 403}))
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	t.Cleanup(cancel)
	if _, err := client.WaitUpdated(short, before, applied, patience); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitUpdated: %v, want that it goes on waiting", err)
	}
	if _, err := client.WaitUpdated(ctx, before, applied, time.Second); err != nil {
		t.Errorf("WaitUpdated: %v", err)
	}
}

// What pods lack of that by which a Cluster archives, whatever else is to change in them.
func TestArchivePodsLack(t *testing.T) {
	t.Parallel()
	container := func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{Name: apitest.SidecarContainer}} }
	mounts := func(store string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "barman-certificates", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{Items: []corev1.KeyToPath{{Path: store + "/barman-ca.crt"}}}}},
			}}}}
		}
	}
	byPlugin := func(certificate bool) func(*cnpgv1.Cluster) {
		return func(c *cnpgv1.Cluster) {
			c.Spec.Backup = &cnpgv1.BackupConfiguration{BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{}}
			if certificate {
				c.Spec.Backup.BarmanObjectStore.EndpointCA = &cnpgv1.SecretKeySelector{Key: "ca.crt"}
			}
			cnpg.SetMethod(c, cnpg.MethodPlugin)
			c.Spec.Plugins[0].Parameters = map[string]string{"barmanObjectName": "new"}
		}
	}
	for name, test := range map[string]struct {
		cluster func(*cnpgv1.Cluster)
		pod     []func(*corev1.Pod)
		fault   *apitest.Fault
		lacks   string
	}{
		"nothing":                   {byPlugin(false), []func(*corev1.Pod){container}, nil, ""},
		"the container":             {byPlugin(false), nil, nil, "does not have the container"},
		"the container goes":        {func(*cnpgv1.Cluster) {}, []func(*corev1.Pod){container}, nil, "still has the container"},
		"no certificate":            {byPlugin(true), []func(*corev1.Pod){container, mounts("new")}, nil, ""},
		"the certificate":           {byPlugin(true), []func(*corev1.Pod){container, mounts("old")}, nil, "does not mount the certificate of the ObjectStore new"},
		"pods that may not be seen": {byPlugin(false), nil, &apitest.Fault{Status: 403}, ""},
		"a pod that is no instance": {byPlugin(false), []func(*corev1.Pod){func(p *corev1.Pod) { p.Labels["cnpg.io/podRole"] = "pooler" }}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := running(server)
			test.cluster(cluster)
			cluster.Spec.ImageName = newImage
			apitest.Edit(server, key.Namespace, "my-db-1", func(p *corev1.Pod) {
				for _, change := range test.pod {
					change(p)
				}
			})
			if test.fault != nil {
				server.Fail(apitest.Each("", "pods", *test.fault))
			}
			lack, err := client.ArchivePodsLack(ctx, cluster)
			if text := strings.Join(lack, "\n"); err != nil || (text == "") != (test.lacks == "") || !strings.Contains(text, test.lacks) {
				t.Errorf("ArchivePodsLack: %q, %v, want %q", lack, err, test.lacks)
			}
		})
	}
}

func TestWaitUpdatedOfAnotherCluster(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	before := running(server)
	apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name)
	running(server)
	if _, err := client.WaitUpdated(ctx, before, before, 0); !errors.Is(err, cnpg.ErrReplaced) {
		t.Errorf("WaitUpdated: %v, want ErrReplaced", err)
	}
}

// A phase that the change is to end is no verdict on the change.
func TestWaitUpdatedOutOfATerminalPhase(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{
		cnpgv1.PhaseUnrecoverable, cnpgv1.PhaseDefinitionInvalid, cnpgv1.PhaseImageCatalogError, cnpgv1.PhaseUnknownPlugin,
		cnpgv1.PhaseFailurePlugin, cnpgv1.PhaseCannotCreateClusterObjects, "Not enough disk space", cnpgv1.PhaseWaitingForUser,
	} {
		stands := func(server *apitest.Server) (before, applied *cnpgv1.Cluster) {
			running(server)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = phase })
			before = apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.StorageConfiguration.Size = "2Gi" })
			return before, apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
		}
		terminal := func(t *testing.T, err error) {
			t.Helper()
			var terminal *cnpg.TerminalPhaseError
			if !errors.As(err, &terminal) || terminal.Phase != phase {
				t.Errorf("WaitUpdated: %v, want a TerminalPhaseError", err)
			}
		}
		t.Run(phase+" that ends", func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.Phase, client.Graces.Restart, client.Graces.LookAgain = time.Millisecond, time.Millisecond, 2*time.Millisecond
			before, applied := stands(server)
			// The volume has yet to grow, for longer than any grace.
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			t.Cleanup(cancel)
			if _, err := client.WaitUpdated(short, before, applied, 0); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("WaitUpdated while the volume grows: %v", err)
			}
			server.Put(claim("my-db-1", "PG_DATA", "2Gi", nil))
			apitest.Edit(server, key.Namespace, key.Name, healthy)
			if _, err := client.WaitUpdated(ctx, before, applied, 0); err != nil {
				t.Errorf("WaitUpdated: %v", err)
			}
		})
		t.Run(phase+" that stays", func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.Phase, client.Graces.Restart, client.Graces.LookAgain = time.Millisecond, time.Millisecond, 2*time.Millisecond
			before, applied := stands(server)
			server.Put(claim("my-db-1", "PG_DATA", "2Gi", nil))
			_, err := client.WaitUpdated(ctx, before, applied, 0)
			terminal(t, err)
		})
	}
	for _, phase := range []string{cnpgv1.PhaseUnrecoverable, cnpgv1.PhaseDefinitionInvalid, cnpgv1.PhaseImageCatalogError} {
		t.Run(phase+" that begins after the change", func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			before := running(server)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.ImageName = newImage })
			applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			onWatch(server, func(c *cnpgv1.Cluster) { c.Status.Phase = phase })
			_, err := client.WaitUpdated(ctx, before, applied, 0)
			var terminal *cnpg.TerminalPhaseError
			if !errors.As(err, &terminal) {
				t.Errorf("WaitUpdated: %v, want a TerminalPhaseError", err)
			}
		})
	}
}

// A volume that never reached its size is no reason for what comes after to wait.
func TestWaitUpdatedPassesOverAVolumeThatWasLacking(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*cnpgv1.ClusterSpec)
		waits  bool
	}{
		"that stays as it is":  {change: func(s *cnpgv1.ClusterSpec) { s.PostgresConfiguration.Parameters["work_mem"] = "16MB" }},
		"that is to grow more": {change: func(s *cnpgv1.ClusterSpec) { s.StorageConfiguration.Size = "4Gi" }, waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			running(server)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.StorageConfiguration.Size = "3Gi" })
			before := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { test.change(&c.Spec) })
			applied := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			if test.waits {
				short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				t.Cleanup(cancel)
				ctx = short
			}
			if _, err := client.WaitUpdated(ctx, before, applied, 0); errors.Is(err, context.DeadlineExceeded) != test.waits || !test.waits && err != nil {
				t.Errorf("WaitUpdated: %v", err)
			}
		})
	}
}

// Where CNPG is told to leave volumes as they are, nobody waits for them.
func TestWaitReadyWithoutResizing(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	running(server)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Spec.StorageConfiguration.Size, c.Spec.StorageConfiguration.ResizeInUseVolumes = "2Gi", ptr.To(false)
	})
	if _, err := client.WaitReady(ctx, key); err != nil {
		t.Errorf("WaitReady: %v", err)
	}
}

// A volume that does not grow says why.
func TestWaitSaysWhatAVolumeWaitsFor(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	running(server)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.StorageConfiguration.Size = "2Gi" })
	volume := claim("my-db-1", "PG_DATA", "1Gi", nil)
	volume.Status.Conditions = []corev1.PersistentVolumeClaimCondition{
		{Type: corev1.PersistentVolumeClaimFileSystemResizePending, Status: corev1.ConditionTrue, Message: "Waiting for user to (re-)start a pod"},
		{Type: corev1.PersistentVolumeClaimResizing, Status: corev1.ConditionFalse},
	}
	warning := event("my-db-1.1", "my-db-1", corev1.EventTypeWarning)
	warning.Reason, warning.Message = "VolumeResizeFailed", "no space left in the pool"
	server.Put(volume, warning)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	t.Cleanup(cancel)
	_, err := client.WaitReady(ctx, key)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("WaitReady: %v", err)
	}
	for _, want := range []string{
		"volume claim my-db-1: FileSystemResizePending: Waiting for user to (re-)start a pod",
		"volume claim my-db-1: has 1Gi of 2Gi",
		"event of my-db-1: VolumeResizeFailed: no space left in the pool",
	} {
		if !strings.Contains(err.Error(), "\n  - "+want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), ": Resizing") {
		t.Errorf("the error tells of a condition that is false:\n%v", err)
	}
}

// The plugin mounts the certificate of S3 under the name of the ObjectStore, so that an archive that has moved waits for other pods.
func TestWaitUpdatedForTheCertificate(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	with := byPlugin(wanted())
	cnpg.Archiver(with).EndpointCA = authorityIn("my-db-backup-s3-creds")
	server.Operate()
	created, err := client.CreateCluster(ctx, with)
	if err == nil {
		err = client.CreateObjectStores(ctx, created, with)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := read(ctx, t, client)
	if _, err := client.WaitUpdated(ctx, before, before, 0); err != nil {
		t.Fatal(err)
	}
	pod := apitest.Get[corev1.Pod](server, key.Namespace, "my-db-1")
	moved := with.DeepCopy()
	cnpg.Archiver(moved).DestinationPath = "s3://elsewhere/"
	applied, err := client.ApplyCluster(ctx, before, moved, cnpg.Ownership[cnpgv1.Cluster]{Before: with})
	if err != nil {
		t.Fatal(err)
	}
	mounts := apitest.Get[corev1.Pod](server, key.Namespace, "my-db-1")
	server.Put(pod)
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	t.Cleanup(cancel)
	if _, err := client.WaitUpdated(short, before, applied, 0); err == nil || !strings.Contains(err.Error(), "pod my-db-1: does not mount the certificate of the ObjectStore my-db-backup-") {
		t.Errorf("while the pod has the former certificate alone, WaitUpdated = %v", err)
	}
	server.Put(mounts)
	if _, err := client.WaitUpdated(ctx, before, applied, 0); err != nil {
		t.Errorf("WaitUpdated = %v", err)
	}
}
