package provider_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What tests of restores on the stage have in common.

// restoreStage is a stage with the source of withSource.
func restoreStage(t *testing.T) (*stage, s3test.Archive) {
	t.Helper()
	f, a := withSource(t)
	return onStage(t, f), a
}

// restoreFrom is the configuration of a restore of another source, such as `object_store = { server_name = "my-db-v1" }`.
func restoreFrom(source, attributes string) string {
	return "resource \"pgplatform_restore\" \"pitr\" {\n  name   = \"my-db-pitr\"\n  source = { " + source + " }\n" + attributes + "\n}\n"
}

// goneDatabase is what a restore must say itself where its source is gone, in a namespace without the source.
const goneDatabase = "database_name = \"shop\"\nowner = \"seller\"\nstorage = { size = \"5Gi\" }\nbackup = { schedule = \"0 0 3 * * *\" }\n"

// sourceGone removes the source's objects; its archive stays.
func (f *fakes) sourceGone() {
	apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db")
	apitest.Delete[corev1.Pod](f.kube, fakeNamespace, "my-db-1")
	apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
}

// at is a value of the restored database in the state, as a text; "" for null.
func (s *stage) at(names ...string) string {
	s.t.Helper()
	object := s.w.Object(pitr)
	if object == nil {
		s.t.Fatal("the state has no restored database")
	}
	return ctyText(object.Attribute(names...))
}

// action is what a plan does with the restored database.
func (s *stage) action(config string) terraformtest.Action {
	s.t.Helper()
	plan, _ := s.plan(config)
	return plan.Action(pitr)
}

// readsAs says in a line how the pods of a restored Cluster read the archive that it is made from.
func readsAs(c *cnpgv1.Cluster) string {
	if len(c.Spec.ExternalClusters) != 1 || c.Spec.ExternalClusters[0].BarmanObjectStore == nil {
		return fmt.Sprintf("%+v", c.Spec.ExternalClusters)
	}
	store := c.Spec.ExternalClusters[0].BarmanObjectStore
	parts := []string{store.DestinationPath + " " + store.ServerName}
	if store.AWS.InheritFromIAMRole {
		parts = append(parts, "role")
		if template := c.Spec.ServiceAccountTemplate; template != nil {
			parts = append(parts, template.Metadata.Annotations["eks.amazonaws.com/role-arn"])
		}
	}
	for _, selector := range []*cnpgv1.SecretKeySelector{store.AWS.AccessKeyIDReference, store.AWS.SecretAccessKeyReference, store.AWS.RegionReference, store.EndpointCA} {
		if selector != nil {
			parts = append(parts, selector.Name+"/"+selector.Key)
		}
	}
	return strings.Join(parts, ", ")
}

// secretsOf says what the Secrets hold that the provider wrote for the restored database: each key, and whose the keys are.
func (f *fakes) secretsOf(namespace string) map[string]string {
	held := map[string]string{}
	for _, secret := range apitest.All[corev1.Secret](f.kube) {
		if secret.Namespace != namespace || !strings.HasPrefix(secret.Name, "my-db-pitr-") {
			continue
		}
		parts := slices.Sorted(maps.Keys(secret.Data))
		if id, ok := secret.Data["ACCESS_KEY_ID"]; ok {
			parts = append(parts, "of "+string(id))
		}
		if region, ok := secret.Data["REGION"]; ok {
			parts = append(parts, "in "+string(region))
		}
		if len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].Name != "my-db-pitr" || secret.OwnerReferences[0].Kind != "Cluster" {
			parts = append(parts, fmt.Sprint("owned by ", secret.OwnerReferences))
		}
		held[secret.Name] = strings.Join(parts, " ")
	}
	return held
}

// ctyText is a value as a text: strings, numbers and truths as they are, everything else as JSON; "" for null.
func ctyText(value cty.Value) string {
	switch {
	case value.IsNull():
		return ""
	case value.Type() == cty.String:
		return value.AsString()
	}
	if !value.IsWhollyKnown() {
		return value.GoString()
	}
	text, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
