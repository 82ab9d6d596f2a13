package cnpg

import (
	"context"
	"errors"
	"maps"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// ArchiveSettings are the settings of an archive, by their paths in spec.backup.barmanObjectStore, that the provider states or
// leaves alone, as it is configured. Where an archive lies, and by which credentials it is reached, it states always; what is neither is
// never the provider's.
var ArchiveSettings = [][]string{
	{"endpointURL"},
	{"endpointCA"},
	{"wal", "compression"},
	{"wal", "encryption"},
	{"wal", "maxParallel"},
	{"data", "compression"},
	{"data", "encryption"},
	{"data", "jobs"},
}

// statesSetting tells whether [FieldManager] states a setting of a Cluster's archive, of which fields are the managed ones.
func statesSetting(fields *Managed, setting ...string) bool {
	return len(fields.by(FieldManager, slices.Concat([]string{"spec", "backup", "barmanObjectStore"}, setting)...)) > 0
}

// keptSettings is what others have said of a living Cluster's archive and the provider does not, as the spec of an ObjectStore: as
// long as the archive is said by the same object an apply leaves it, so that it is to stay also where that becomes another one.
func keptSettings(live, cluster *cnpgv1.Cluster) map[string]any {
	if Archiver(live) == nil {
		return nil // its ObjectStore is missing, and what that said nobody knows
	}
	says, err := runtime.DefaultUnstructuredConverter.ToUnstructured(Archiver(live))
	wanted, wantedErr := runtime.DefaultUnstructuredConverter.ToUnstructured(Archiver(cluster))
	if err != nil || wantedErr != nil { // they are made of strings and numbers
		return nil
	}
	for _, always := range []string{"destinationPath", "serverName", "s3Credentials"} {
		delete(says, always)
	}
	fields := Fields(live)
	for _, setting := range ArchiveSettings {
		if statesSetting(fields, setting...) {
			unstructured.RemoveNestedField(says, setting...)
		}
	}
	pruneEmpty(wanted)
	removeFields(says, wanted)
	kept := map[string]any{}
	if !pruneEmpty(says) {
		kept["configuration"] = says
	}
	if policy := live.Spec.Backup.RetentionPolicy; policy != "" && cluster.Spec.Backup.RetentionPolicy == "" &&
		len(fields.by(FieldManager, "spec", "backup", "retentionPolicy")) == 0 {
		kept["retentionPolicy"] = policy
	}
	return kept
}

// removeFields removes from fields what others have too, whatever they say of it, and maps of which nothing is left but that
// they are there: "." in managed fields.
func removeFields(fields, others map[string]any) {
	for name, value := range others {
		inner, isMap := fields[name].(map[string]any)
		below, ok := value.(map[string]any)
		if !isMap || !ok {
			delete(fields, name)
			continue
		}
		removeFields(inner, below)
		delete(inner, ".")
		if len(inner) == 0 {
			delete(fields, name)
		}
	}
}

// keepSettings says in an ObjectStore that was just applied, and that no Cluster uses yet, what is to be kept of the archive that live
// has, and of how the plugin's container was configured in the ObjectStore that it leaves. It does so as [MethodManager]: it
// is not the provider's to say, and its next apply would remove it.
func (c *Client) keepSettings(ctx context.Context, live *cnpgv1.Cluster, store *barmancloud.ObjectStore, kept map[string]any) (*barmancloud.ObjectStore, error) {
	spec := maps.Clone(kept)
	if leaves := storeOf(archiverEntry(live)); leaves != "" && Archiver(live) != nil {
		left, err := c.GetObjectStore(ctx, Key{Namespace: live.Namespace, Name: leaves})
		switch {
		case err == nil && len(left.Spec.InstanceSidecarConfiguration) > 0:
			if spec == nil {
				spec = map[string]any{}
			}
			spec["instanceSidecarConfiguration"] = left.Spec.InstanceSidecarConfiguration
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	if len(spec) == 0 {
		return store, nil
	}
	changed := &barmancloud.ObjectStore{}
	err := mergePatch(ctx, c.barman, objectStores, KeyOf(store), map[string]any{"metadata": map[string]any{"uid": store.UID}, "spec": spec},
		applyOptions{manager: MethodManager}, changed)
	if err != nil {
		return nil, explain(err, "ObjectStore", KeyOf(store))
	}
	return changed, nil
}
