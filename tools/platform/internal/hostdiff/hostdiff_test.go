package hostdiff

import (
	"maps"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	before := Snapshot{"link": {"lo", "eth0"}, "process": {"sh", "sh"}}
	after := Snapshot{"link": {"lo", "eth0", "veth7"}, "process": {"sh"}, "mount": {"/x"}}
	want := []Difference{
		{Kind: "link", Entry: "veth7", Added: true},
		{Kind: "mount", Entry: "/x", Added: true},
		{Kind: "process", Entry: "sh"},
	}
	if got := before.Compare(after); !slices.Equal(got, want) {
		t.Errorf("Compare() = %v, want %v", got, want)
	}
	same := maps.Clone(after)
	if got := after.Compare(same); got != nil {
		t.Errorf("Compare() with itself = %v", got)
	}
}

func TestTakeSeesThisMachine(t *testing.T) {
	t.Parallel()
	s, err := Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"mount", "link", "sysctl"} {
		if len(s[kind]) == 0 {
			t.Errorf("no %s seen", kind)
		}
	}
}
