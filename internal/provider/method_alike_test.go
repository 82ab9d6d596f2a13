package provider_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// Users see the same attributes with the same values, whichever method archives: nothing is read from where one of the two does not
// have it.
func TestAttributesAreTheSameByEachMethod(t *testing.T) {
	t.Parallel()
	const config = "backup = { schedule = \"@daily\", retention_days = 7, wal = { compression = \"zstd\", max_parallel = 4 }, data = { jobs = 2 } }\n" + unprotected
	const backup = "resource \"pgplatform_backup\" \"b\" {\n  database = \"myorg/my-db\"\n}\n"
	seen := map[cnpg.Method]map[string]cty.Value{}
	byEachMethod(t, func(t *testing.T) {
		s := onStage(t, operated(t))
		s.apply(s.config(database(config)))
		s.apply(s.config(database(config) + backup))
		seen[methodOf(t)] = map[string]cty.Value{}
		for _, address := range []string{db, "pgplatform_backup.b"} {
			for name, value := range s.w.Object(address).Value.AsValueMap() {
				seen[methodOf(t)][address+"."+name] = value
			}
		}
	})
	inTree, plugin := seen[cnpg.MethodInTree], seen[cnpg.MethodPlugin]
	if len(inTree) < 30 {
		t.Fatalf("only %d attributes were seen", len(inTree))
	}
	differs := 0
	for _, name := range slices.Sorted(maps.Keys(inTree)) {
		a, b := inTree[name], plugin[name]
		switch {
		case strings.HasSuffix(name, ".archive"), strings.HasSuffix(name, ".backup"):
			was, is := a.AsValueMap(), b.AsValueMap()
			for part := range was {
				switch {
				case part == "method", part == "credentials_fingerprint": // a salt, and what was asked for
					differs++
				case part == "endpoint_url" && !was[part].IsNull() && !is[part].IsNull(): // that of each test's own store
				case !was[part].RawEquals(is[part]):
					t.Errorf("%s.%s is %#v in-tree, and %#v by the plugin", name, part, was[part], is[part])
				}
			}
		case strings.HasSuffix(name, "_at"), strings.HasSuffix(name, ".backup_id"), name == "pgplatform_backup.b.id", name == "pgplatform_backup.b.name": // times
			if a.IsNull() != b.IsNull() {
				t.Errorf("%s is %#v in-tree, and %#v by the plugin", name, a, b)
			}
		case !a.RawEquals(b):
			t.Errorf("%s is %#v in-tree, and %#v by the plugin", name, a, b)
		}
	}
	if differs != 3 {
		t.Errorf("%d attributes are the methods' own", differs)
	}
}
