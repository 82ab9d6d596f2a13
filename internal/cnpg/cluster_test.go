package cnpg_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

func TestCreateCluster(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	created, err := client.CreateCluster(ctx, wanted())
	if err != nil {
		t.Fatal(err)
	}
	requests(t, server, "list persistentvolumeclaims myorg", "apply clusters myorg/my-db", "apply clusters myorg/my-db")
	live := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
	if live.Spec.StorageConfiguration.Size != "1Gi" || live.Spec.Bootstrap.InitDB.Database != "app" {
		t.Errorf("the Cluster is not as wanted: %+v", live.Spec)
	}
	if created.UID != live.UID || created.ResourceVersion != live.ResourceVersion {
		t.Errorf("returned is version %s of %s, stored version %s of %s", created.ResourceVersion, created.UID, live.ResourceVersion, live.UID)
	}
	for _, r := range server.Writes() {
		if got := r.Query.Get("fieldValidation"); got != "Strict" {
			t.Errorf("%s with fieldValidation %q, want Strict", r, got)
		}
		if r.Query.Has("force") {
			t.Errorf("%s takes fields over", r)
		}
	}
	owned := ownership(live)
	if !strings.Contains(owned[cnpg.FieldManager], `"f:size"`) || !strings.Contains(owned[cnpg.FieldManager], `"f:bootstrap"`) {
		t.Errorf("%s owns %s", cnpg.FieldManager, owned[cnpg.FieldManager])
	}
	if got := owned[cnpg.BootstrapManager]; !strings.Contains(got, `"f:bootstrap"`) || strings.Contains(got, "f:instances") || strings.Contains(got, "f:storage") {
		t.Errorf("%s owns %s, want the bootstrap alone", cnpg.BootstrapManager, got)
	}
}

// ownership is what each field manager owns, as JSON.
func ownership(cluster *cnpgv1.Cluster) map[string]string {
	owned := map[string]string{}
	for _, entry := range cluster.ManagedFields {
		owned[entry.Manager] += entry.FieldsV1.GetRawString()
	}
	return owned
}

func TestCreateClusterNeverAdopts(t *testing.T) {
	t.Parallel()
	existing := map[string]func(context.Context, *apitest.Server, *cnpg.Client) error{
		"made by kubectl": func(_ context.Context, server *apitest.Server, _ *cnpg.Client) error {
			server.Put(wanted())
			return nil
		},
		"made by kubectl with other values": func(_ context.Context, server *apitest.Server, _ *cnpg.Client) error {
			other := wanted()
			other.Spec.Instances = 3
			server.Put(other)
			return nil
		},
		"made by the provider": func(ctx context.Context, _ *apitest.Server, client *cnpg.Client) error {
			_, err := client.CreateCluster(ctx, wanted())
			return err
		},
	}
	for name, place := range existing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			if err := place(ctx, server, client); err != nil {
				t.Fatal(err)
			}
			before := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			created, err := client.CreateCluster(ctx, wanted())
			if created != nil || !errors.Is(err, cnpg.ErrAlreadyExists) {
				t.Fatalf("CreateCluster = %v, %v; want ErrAlreadyExists", created, err)
			}
			if after := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); after.ResourceVersion != before.ResourceVersion {
				t.Errorf("the Cluster was changed from version %s to %s", before.ResourceVersion, after.ResourceVersion)
			}
		})
	}
}

func TestCreateClusterOfOneNameAtOnce(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	const racers = 8
	errs := make([]error, racers)
	var running sync.WaitGroup
	for i := range racers {
		running.Go(func() { _, errs[i] = client.CreateCluster(ctx, wanted()) })
	}
	running.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, cnpg.ErrAlreadyExists):
			t.Errorf("CreateCluster: %v, want ErrAlreadyExists", err)
		}
	}
	if won != 1 || len(apitest.All[cnpgv1.Cluster](server)) != 1 {
		t.Errorf("%d creates won, want one", won)
	}
}

func TestCreateClusterRecognisesItsLostAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]apitest.Fault{
		"connection broken":     {ResetAfter: true},
		"tried again by itself": {Status: http.StatusTooManyRequests, RetryAfter: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Fail(apitest.First(apitest.VerbApply, "clusters", fault))
			created, err := client.CreateCluster(ctx, wanted())
			if err != nil || created == nil {
				t.Fatalf("CreateCluster = %v, %v", created, err)
			}
			if live := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); live.UID != created.UID || ownership(live)[cnpg.BootstrapManager] == "" {
				t.Errorf("the Cluster that exists is not the one that was returned, or its bootstrap was not handed over")
			}
		})
	}
}

func TestCreateClusterWhoseRequestWasLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]apitest.Fault{
		"reset":        {ResetBefore: true},
		"server error": {Status: http.StatusInternalServerError},
		"unavailable":  {Status: http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Fail(apitest.First(apitest.VerbApply, "clusters", fault))
			created, err := client.CreateCluster(ctx, wanted())
			if created != nil || err == nil {
				t.Fatalf("CreateCluster = %v, %v; want an error", created, err)
			}
			if errors.Is(err, cnpg.ErrOutcomeUnknown) {
				t.Errorf("the outcome is known: %v", err)
			}
			if all := apitest.All[cnpgv1.Cluster](server); len(all) != 0 {
				t.Errorf("created: %v", all)
			}
			requests(t, server, "list persistentvolumeclaims myorg", "apply clusters myorg/my-db", "get clusters myorg/my-db")
		})
	}
}

func TestCreateClusterWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Verb == apitest.VerbApply {
			return &apitest.Fault{ResetAfter: true}
		}
		return &apitest.Fault{Status: http.StatusForbidden} // and that the volumes may not be seen is no obstacle
	})
	created, err := client.CreateCluster(ctx, wanted())
	if created != nil || !errors.Is(err, cnpg.ErrOutcomeUnknown) {
		t.Fatalf("CreateCluster = %v, %v; want ErrOutcomeUnknown", created, err)
	}
}

func TestCreateClusterCancelledWhileItIsMade(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	ctx, cancel := context.WithCancel(ctx)
	server.Fail(apitest.At(1, apitest.Fault{After: cancel}))
	created, err := client.CreateCluster(ctx, wanted())
	if created == nil || !errors.Is(err, context.Canceled) {
		t.Fatalf("CreateCluster = %v, %v; want the Cluster beside the cancellation", created, err)
	}
}

func TestCreateClusterReturnsWhatExistsBesideAnError(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.At(2, apitest.Fault{Status: http.StatusInternalServerError}))
	created, err := client.CreateCluster(ctx, wanted())
	if created == nil || err == nil {
		t.Fatalf("CreateCluster = %v, %v; want both", created, err)
	}
	if live := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); live == nil || live.UID != created.UID {
		t.Errorf("created is %s, there is %+v", created.UID, live)
	}
}

// The hand-over of the bootstrap fields must not bring back a Cluster that somebody deleted in between.
func TestCreateClusterDeletedBeforeTheHandOver(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.At(2, apitest.Fault{Before: func() { apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name) }}))
	created, err := client.CreateCluster(ctx, wanted())
	if created == nil || !errors.Is(err, cnpg.ErrReplaced) {
		t.Errorf("CreateCluster = %v, %v; want ErrReplaced", created, err)
	}
	if all := apitest.All[cnpgv1.Cluster](server); len(all) != 0 {
		t.Errorf("the hand-over made %v", all)
	}
}

func TestCreateClusterRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		setup     func(*apitest.Server)
		want      string
		is        error
		admission *cnpg.AdmissionError // by whom, and the fields
	}{
		{
			name: "by a webhook",
			setup: func(s *apitest.Server) {
				s.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{
					Status:  http.StatusForbidden,
					Message: `admission webhook "vcluster.cnpg.io" denied the request: spec.storage.size: Invalid value: "1"`,
				}))
			},
			want:      `admission webhook "vcluster.cnpg.io" denied the request: spec.storage.size: Invalid value: "1"`,
			admission: &cnpg.AdmissionError{Webhook: "vcluster.cnpg.io"},
		},
		{
			name:      "by a webhook that names fields",
			setup:     func(s *apitest.Server) { s.Admit(deniedBy("vcluster.cnpg.io", "spec.instances", "spec.storage.size")) },
			want:      `admission webhook "vcluster.cnpg.io" denied the request`,
			admission: &cnpg.AdmissionError{Webhook: "vcluster.cnpg.io", Fields: []string{"spec.instances", "spec.storage.size"}},
		},
		{
			name: "by a policy",
			setup: func(s *apitest.Server) {
				s.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{
					Status:  http.StatusForbidden,
					Message: `clusters.postgresql.cnpg.io "my-db" is forbidden: ValidatingAdmissionPolicy 'sizes' with binding 'all' denied request: too large`,
				}))
			},
			want:      "too large",
			admission: &cnpg.AdmissionError{Policy: "sizes"},
		},
		{
			name: "since the credentials lack the right",
			setup: func(s *apitest.Server) {
				s.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{
					Status:  http.StatusForbidden,
					Message: `clusters.postgresql.cnpg.io "my-db" is forbidden: User "ci" cannot patch resource "clusters" in API group "postgresql.cnpg.io"`,
				}))
			},
			want: `User "ci" cannot patch resource`,
			is:   cnpg.ErrForbidden,
		},
		{
			name: "by the schema",
			setup: func(s *apitest.Server) {
				s.Fail(apitest.Each(apitest.VerbApply, "clusters", apitest.Fault{
					Status: http.StatusUnprocessableEntity, Message: `Cluster "my-db" is invalid: spec.instances: must be at least 1`,
				}))
			},
			want:      "spec.instances: must be at least 1",
			admission: &cnpg.AdmissionError{},
		},
		{
			name:  "since CNPG is not installed",
			setup: func(s *apitest.Server) { s.Remove("clusters") },
			want:  "is CloudNativePG installed in this cluster?",
		},
		{
			name:  "since the namespace is missing",
			setup: func(s *apitest.Server) { apitest.Delete[corev1.Namespace](s, "", key.Namespace) },
			want:  `namespaces "myorg" not found`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			test.setup(server)
			created, err := client.CreateCluster(ctx, wanted())
			if created != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("CreateCluster = %v, %v; want an error with %q", created, err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			var denied *cnpg.AdmissionError
			switch isDenied := errors.As(err, &denied); {
			case isDenied != (test.admission != nil) || isDenied && errors.Is(err, cnpg.ErrForbidden):
				t.Errorf("%v is an AdmissionError: %t", err, isDenied)
			case isDenied && (denied.Webhook != test.admission.Webhook || denied.Policy != test.admission.Policy || !slices.Equal(denied.Fields, test.admission.Fields)):
				t.Errorf("%+v, want %+v", denied, test.admission)
			}
			// Such an answer leaves no doubt, so nothing is asked again.
			requests(t, server, "list persistentvolumeclaims myorg", "apply clusters myorg/my-db")
		})
	}
}

// deniedBy is a webhook that refuses fields, as controller-runtime and the API server word it.
func deniedBy(webhook string, fields ...string) apitest.Admission {
	return func(object, _ *unstructured.Unstructured) ([]string, error) {
		var refused field.ErrorList
		for _, f := range fields {
			refused = append(refused, field.Invalid(field.NewPath(f), "1", "no"))
		}
		denied := apierrors.NewInvalid(object.GroupVersionKind().GroupKind(), object.GetName(), refused)
		denied.ErrStatus.Message = fmt.Sprintf("admission webhook %q denied the request: %s", webhook, denied.ErrStatus.Message)
		return nil, denied
	}
}

func TestGetClusterTellsMissingObjectsFromMissingResources(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	if _, err := client.GetCluster(ctx, key); !errors.Is(err, cnpg.ErrNotFound) {
		t.Errorf("GetCluster: %v, want ErrNotFound", err)
	}
	server.Remove("clusters")
	if _, err := client.GetCluster(ctx, key); err == nil || errors.Is(err, cnpg.ErrNotFound) {
		t.Errorf("GetCluster without CNPG: %v; a state must not lose its object over that", err)
	}
}

// nobodys: nothing of others is taken over.
var nobodys = cnpg.Ownership[cnpgv1.Cluster]{}

func TestApplyCluster(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	live := create(ctx, t, server, client, wanted())
	apitest.EditAs(server, "kubectl-annotate", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, "example.com/theirs", "stays")
		c.Spec.PostgresConfiguration.Parameters["archive_timeout"] = "5min" // as CNPG's webhook does
	})
	changed := wanted()
	changed.Spec.Bootstrap = nil
	changed.Spec.Instances = 3
	delete(changed.Spec.PostgresConfiguration.Parameters, "log_connections")

	applied, err := client.ApplyCluster(ctx, live, changed, nobodys)
	if err != nil {
		t.Fatal(err)
	}
	requests(t, server, "apply clusters myorg/my-db")
	if want := map[string]string{"work_mem": "8MB", "archive_timeout": "5min"}; !maps.Equal(applied.Spec.PostgresConfiguration.Parameters, want) {
		t.Errorf("parameters are %v, want %v", applied.Spec.PostgresConfiguration.Parameters, want)
	}
	if applied.Spec.Instances != 3 || applied.Annotations["example.com/theirs"] != "stays" {
		t.Errorf("instances %d, annotations %v", applied.Spec.Instances, applied.Annotations)
	}
	if applied.Spec.Bootstrap == nil || applied.Spec.Bootstrap.InitDB == nil {
		t.Error("the bootstrap section is gone")
	}
	if applied.Annotations[cnpg.AnnotationNonce] != live.Annotations[cnpg.AnnotationNonce] {
		t.Error("the nonce of the creation is gone")
	}
	if got, want := cnpg.Fields(applied).Entries(applied.Spec.PostgresConfiguration.Parameters, "spec", "postgresql", "parameters"), map[string]string{"work_mem": "8MB"}; !maps.Equal(got, want) {
		t.Errorf("stated parameters are %v, want %v", got, want)
	}
}

func TestApplyClusterRepairsACutOffHandOver(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.At(2, apitest.Fault{ResetBefore: true}))
	live, err := client.CreateCluster(ctx, wanted())
	if live == nil || err == nil {
		t.Fatalf("CreateCluster = %v, %v", live, err)
	}
	server.Forget()
	server.Fail(nil)
	if live, err = client.GetCluster(ctx, key); err != nil {
		t.Fatal(err)
	}
	applied, err := client.ApplyCluster(ctx, live, wanted(), nobodys)
	if err != nil {
		t.Fatal(err)
	}
	if applied.Spec.Bootstrap == nil || applied.Spec.Bootstrap.InitDB == nil {
		t.Error("the apply removed the bootstrap section")
	}
	requests(t, server, "get clusters myorg/my-db", "apply clusters myorg/my-db", "apply clusters myorg/my-db")
}

// What is tried beforehand is the update that follows, also where the hand-over was cut off: none without the bootstrap section.
func TestTryClusterRepairsACutOffHandOver(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.At(2, apitest.Fault{ResetBefore: true}))
	if live, err := client.CreateCluster(ctx, wanted()); live == nil || err == nil {
		t.Fatalf("CreateCluster = %v, %v", live, err)
	}
	server.Fail(nil)
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	server.Admit(func(object, _ *unstructured.Unstructured) ([]string, error) {
		if _, found, _ := unstructured.NestedMap(object.Object, "spec", "bootstrap"); !found {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "clusters"}, key.Name, errors.New("the bootstrap section is gone"))
		}
		return nil, nil
	})
	changed := wanted()
	changed.Spec.Instances = 3
	if err := client.TryCluster(ctx, live, changed, nobodys); err != nil {
		t.Errorf("TryCluster: %v", err)
	}
	if apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Spec.Instances == 3 {
		t.Error("what was only tried was changed")
	}
	applied, err := client.ApplyCluster(ctx, live, changed, nobodys)
	if err != nil {
		t.Fatal(err)
	}
	if applied.Spec.Bootstrap == nil || applied.Spec.Bootstrap.InitDB == nil || applied.Spec.Instances != 3 {
		t.Errorf("applied is %+v", applied.Spec)
	}
}

func TestApplyClusterRefusesAnotherObject(t *testing.T) {
	t.Parallel()
	for name, makeAnew := range map[string]bool{"deleted": false, "made anew": true} {
		for _, handedOver := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ctx, server, client := setup(t)
				live := create(ctx, t, server, client, wanted())
				if !handedOver {
					live.ManagedFields = slices.DeleteFunc(live.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == cnpg.BootstrapManager })
				}
				apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name)
				if makeAnew {
					create(ctx, t, server, client, wanted())
				}
				before := apitest.All[cnpgv1.Cluster](server)
				changed := wanted()
				changed.Spec.Instances = 3
				if _, err := client.ApplyCluster(ctx, live, changed, nobodys); !errors.Is(err, cnpg.ErrReplaced) {
					t.Errorf("ApplyCluster: %v, want ErrReplaced", err)
				}
				after := apitest.All[cnpgv1.Cluster](server)
				if len(after) != len(before) || len(after) == 1 && after[0].ResourceVersion != before[0].ResourceVersion {
					t.Errorf("before: %v, after: %v", before, after)
				}
			})
		}
	}
}

func TestApplyClusterNamesConflicts(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	live := create(ctx, t, server, client, wanted())
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Spec.Instances = 5
		c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1GB"
	})
	_, err := client.ApplyCluster(ctx, live, wanted(), nobodys)
	var conflict *cnpg.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("ApplyCluster: %v, want a ConflictError", err)
	}
	want := []cnpg.FieldConflict{
		{Manager: "kubectl-edit", Field: ".spec.instances"},
		{Manager: "kubectl-edit", Field: ".spec.postgresql.parameters.work_mem"},
	}
	if conflict.Kind != "Cluster" || conflict.Key != key || !slices.Equal(conflict.Conflicts, want) {
		t.Errorf("conflict is %+v, want %+v", conflict, want)
	}
	if !strings.Contains(err.Error(), `.spec.instances (owned by "kubectl-edit")`) {
		t.Errorf("the error says %q", err)
	}
	if apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Spec.Instances != 5 {
		t.Error("the other manager's value was overwritten")
	}
}

func TestStatedParametersOfAForeignCluster(t *testing.T) {
	t.Parallel()
	_, server, _ := setup(t)
	server.Put(wanted())
	cluster := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
	cluster.Spec.PostgresConfiguration.Parameters["archive_timeout"] = "5min" // defaulted: nobody owns it
	if got, want := cnpg.Fields(cluster).Entries(cluster.Spec.PostgresConfiguration.Parameters, "spec", "postgresql", "parameters"), wanted().Spec.PostgresConfiguration.Parameters; !maps.Equal(got, want) {
		t.Errorf("stated parameters are %v, want %v", got, want)
	}
}
