package provider_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// Users see the same attributes with the same values, whichever method archives: nothing is read from where one of the two does not
// have it. What is listed and restored is alike too.
func TestAttributesAreTheSameByEachMethod(t *testing.T) {
	t.Parallel()
	const (
		config = "backup = { schedule = \"@daily\", retention_days = 7, wal = { compression = \"zstd\", max_parallel = 4 }, data = { jobs = 2 } }\n" + unprotected
		backup = "resource \"pgplatform_backup\" \"b\" {\n  database = \"myorg/my-db\"\n}\n"
		seenDB = "data \"pgplatform_database\" \"seen\" {\n  name = \"my-db\"\n}\n"
	)
	seen := map[cnpg.Method]map[string]string{}
	byEachMethod(t, func(t *testing.T) {
		values := map[string]string{}
		see := func(what string, attributes map[string]cty.Value) {
			leaves(what, cty.ObjectVal(attributes), values)
		}
		s := onStage(t, operated(t))
		s.apply(s.config(database(config)))
		s.apply(s.config(database(config) + backup))
		for _, address := range []string{db, "pgplatform_backup.b"} {
			see(address, s.w.Object(address).Value.AsValueMap())
		}
		read, _ := s.read(s.config(seenDB), "data.pgplatform_database.seen")
		see("data of the database", read)

		s, _ = restoreStage(t)
		read, _ = s.read(s.config(listing), allBackups)
		see("data of the backups", read)
		read, _ = s.read(s.config(seenDB), "data.pgplatform_database.seen")
		see("data of another's database", read)
		s.apply(s.config(restoreOf(unprotected + "target_time = \"2026-03-26T11:30:00Z\"\nbackup = { schedule = \"@daily\" }\n")))
		see(pitr, s.w.Object(pitr).Value.AsValueMap())
		seen[methodOf(t)] = values
	})
	inTree, plugin := seen[cnpg.MethodInTree], seen[cnpg.MethodPlugin]
	if names := slices.Sorted(maps.Keys(inTree)); len(names) < 250 || !slices.Equal(names, slices.Sorted(maps.Keys(plugin))) {
		t.Errorf("the %d attributes in-tree and the %d by the plugin are others: %v", len(inTree), len(plugin), symmetricDifference(inTree, plugin))
	}
	method := regexp.MustCompile(`\.(archive|backup)\.method$`)
	own := regexp.MustCompile(`\.archive\.(endpoint_url|credentials_fingerprint)$|^pgplatform_backup\.b\.(id|name|backup_id|started_at|completed_at)$`)
	methods := 0
	for name, was := range inTree {
		is := plugin[name]
		switch {
		case was == is:
		case method.MatchString(name):
			methods++
		case own.MatchString(name) && was != "" && is != "": // each test has its own store and its own time
		default:
			t.Errorf("%s is %q in-tree, and %q by the plugin", name, was, is)
		}
	}
	if methods != 6 {
		t.Errorf("%d attributes tell the methods apart", methods)
	}
}

// leaves are the attributes within a value, as texts; "" for null.
func leaves(at string, value cty.Value, into map[string]string) {
	switch {
	case value.IsNull() || !value.CanIterateElements():
		into[at] = ctyText(value)
	case value.LengthInt() == 0:
		into[at] = "empty"
	case value.Type().IsObjectType() || value.Type().IsMapType():
		for name, part := range value.AsValueMap() {
			leaves(at+"."+name, part, into)
		}
	default:
		for i, part := range value.AsValueSlice() {
			leaves(fmt.Sprintf("%s.%d", at, i), part, into)
		}
	}
}

func symmetricDifference(a, b map[string]string) []string {
	var one []string
	for name := range a {
		if _, both := b[name]; !both {
			one = append(one, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			one = append(one, name)
		}
	}
	slices.Sort(one)
	return one
}
