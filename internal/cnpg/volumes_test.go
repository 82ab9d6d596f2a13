package cnpg_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// claim is a volume of the Cluster: of its data, or of its WAL.
func claim(name, role, size string, class *string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: name, Labels: map[string]string{cnpg.LabelCluster: key.Name, "cnpg.io/pvcRole": role},
	}}
	c.Spec.StorageClassName = class
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	c.Status.Phase = corev1.ClaimBound
	c.Status.Capacity = c.Spec.Resources.Requests
	return c
}

// CNPG would take the data of a former Cluster over into a new one.
func TestCreateClusterRefusesLeftoverVolumes(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	going := claim("my-db-2", "PG_DATA", "1Gi", nil)
	going.Finalizers = []string{"kubernetes.io/pvc-protection"}
	server.Put(claim("my-db-1", "PG_DATA", "1Gi", nil), going)
	apitest.Delete[corev1.PersistentVolumeClaim](server, key.Namespace, "my-db-2")
	created, err := client.CreateCluster(ctx, wanted())
	var left *cnpg.LeftoverVolumesError
	if created != nil || !errors.As(err, &left) || strings.Join(left.Volumes, ", ") != "my-db-1, my-db-2 (being deleted)" {
		t.Fatalf("CreateCluster = %v, %v; want a LeftoverVolumesError", created, err)
	}
	if writes := server.Writes(); len(writes) != 0 {
		t.Errorf("written: %v", writes)
	}
	// Where the Cluster exists, that is what is said.
	server.Put(wanted())
	if _, err := client.CreateCluster(ctx, wanted()); !errors.Is(err, cnpg.ErrAlreadyExists) {
		t.Errorf("CreateCluster: %v, want ErrAlreadyExists", err)
	}
	apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name)
	// What may not be seen is no obstacle.
	server.Fail(apitest.Each(apitest.VerbList, "persistentvolumeclaims", apitest.Fault{Status: http.StatusForbidden}))
	if created, err := client.CreateCluster(ctx, wanted()); created == nil || err != nil {
		t.Errorf("CreateCluster = %v, %v", created, err)
	}
}

func TestCheckGrowth(t *testing.T) {
	t.Parallel()
	class := func(name string, expands *bool) *storagev1.StorageClass {
		return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "example.com/volumes", AllowVolumeExpansion: expands}
	}
	growing, fixed := ptr.To("growing"), ptr.To("fixed")
	tests := map[string]struct {
		volumes  []*corev1.PersistentVolumeClaim
		size     string
		wal      string
		forbid   string
		refused  string // the volume; "" where nothing is refused
		because  string
		requests int
	}{
		"it can":                        {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", growing)}, size: "2Gi", requests: 2},
		"it cannot":                     {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", fixed)}, size: "2Gi", refused: "my-db-1", because: `its storage class "fixed" does not allow volume expansion`},
		"the class does not say":        {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", ptr.To("silent"))}, size: "2Gi", refused: "my-db-1", because: `"silent"`},
		"the class is gone":             {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", ptr.To("gone"))}, size: "2Gi", refused: "my-db-1", because: `"gone"`},
		"no class":                      {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", nil)}, size: "2Gi", refused: "my-db-1", because: "without a storage class"},
		"no growth":                     {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "2Gi", fixed)}, size: "2048Mi", requests: 1},
		"one of them cannot":            {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", growing), claim("my-db-2", "PG_DATA", "1Gi", fixed)}, size: "2Gi", refused: "my-db-2"},
		"one class is asked about once": {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", growing), claim("my-db-2", "PG_DATA", "1Gi", growing)}, size: "2Gi", requests: 2},
		"the WAL's cannot":              {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", growing), claim("my-db-1-wal", "PG_WAL", "1Gi", fixed)}, size: "1Gi", wal: "2Gi", refused: "my-db-1-wal"},
		"the WAL's does not grow":       {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1-wal", "PG_WAL", "1Gi", fixed)}, size: "2Gi", requests: 1},
		"classes may not be read":       {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", fixed)}, size: "2Gi", forbid: "storageclasses", requests: 2},
		"volumes may not be read":       {volumes: []*corev1.PersistentVolumeClaim{claim("my-db-1", "PG_DATA", "1Gi", fixed)}, size: "2Gi", forbid: "persistentvolumeclaims", requests: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Put(class("growing", ptr.To(true)), class("fixed", ptr.To(false)), class("silent", nil))
			for _, volume := range test.volumes {
				server.Put(volume)
			}
			if test.forbid != "" {
				server.Fail(apitest.Each("", test.forbid, apitest.Fault{Status: http.StatusForbidden}))
			}
			spec := cnpgv1.ClusterSpec{StorageConfiguration: cnpgv1.StorageConfiguration{Size: test.size}}
			if test.wal != "" {
				spec.WalStorage = &cnpgv1.StorageConfiguration{Size: test.wal}
			}
			err := client.CheckGrowth(ctx, key, spec)
			var growth *cnpg.GrowthError
			if test.refused == "" {
				if err != nil || len(server.Requests()) != test.requests {
					t.Errorf("CheckGrowth: %v after %v", err, apitest.Summaries(server.Requests()))
				}
				return
			}
			if !errors.As(err, &growth) || growth.Volume != test.refused || growth.WAL != strings.HasSuffix(test.refused, "-wal") || !strings.Contains(err.Error(), test.because) {
				t.Errorf("CheckGrowth: %v, want a GrowthError of %s", err, test.refused)
			}
		})
	}
	t.Run("a server error is one", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(claim("my-db-1", "PG_DATA", "1Gi", fixed))
		server.Fail(apitest.Each("", "storageclasses", apitest.Fault{Status: http.StatusInternalServerError}))
		if err := client.CheckGrowth(ctx, key, cnpgv1.ClusterSpec{StorageConfiguration: cnpgv1.StorageConfiguration{Size: "2Gi"}}); err == nil {
			t.Error("no error")
		}
	})
}

// CNPG grows volumes, but not those of a Cluster whose disk is full.
func TestGrowFullVolumes(t *testing.T) {
	t.Parallel()
	const full = "Not enough disk space"
	for name, test := range map[string]struct {
		phase string
		fault int
		data  string // the sizes that are asked for in the end
		wal   string
		says  string // of the error
	}{
		"the disk is full": {phase: full, data: "2Gi", wal: "1Gi"},
		"it is not":        {phase: cnpgv1.PhaseHealthy, data: "1Gi", wal: "1Gi"},
		"it may not":       {phase: full, fault: http.StatusForbidden, data: "1Gi", wal: "1Gi", says: `kubectl patch pvc my-db-1 -n myorg -p '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Put(claim("my-db-1", "PG_DATA", "1Gi", ptr.To("growing")), claim("my-db-1-wal", "PG_WAL", "1Gi", ptr.To("growing")))
			if test.fault != 0 {
				server.Fail(apitest.Each(apitest.VerbPatch, "persistentvolumeclaims", apitest.Fault{Status: test.fault}))
			}
			cluster := wanted()
			cluster.Status.Phase = test.phase
			cluster.Spec.StorageConfiguration.Size, cluster.Spec.WalStorage = "2Gi", &cnpgv1.StorageConfiguration{Size: "1Gi"}
			err := client.GrowFullVolumes(ctx, cluster)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %v", err)
			}
			for volume, want := range map[string]string{"my-db-1": test.data, "my-db-1-wal": test.wal} {
				now := apitest.Get[corev1.PersistentVolumeClaim](server, key.Namespace, volume)
				if is := now.Spec.Resources.Requests[corev1.ResourceStorage]; is.String() != want {
					t.Errorf("%s asks for %s, not %s", volume, is.String(), want)
				}
			}
		})
	}
}
