package ociruntime

import (
	"encoding/json"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// without is a machine that withholds CAP_SYS_RESOURCE.
func without() Limits {
	return Limits{
		OOMScoreAdj: 100,
		Hard: func(resource string) (uint64, bool) {
			return map[string]uint64{"RLIMIT_NOFILE": 20000}[resource], resource == "RLIMIT_NOFILE"
		},
	}
}

func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("result is no JSON: %v\n%s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAdaptProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ process, want string }{
		"capability leaves every set": {
			`{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"],"ambient":null}}`,
			`{"capabilities":{"bounding":["CAP_CHOWN"],"effective":[],"ambient":null}}`,
		},
		"score below the current one is raised": {`{"oomScoreAdj":-500}`, `{"oomScoreAdj":100}`},
		"score above stays":                     {`{"oomScoreAdj":300}`, `{"oomScoreAdj":300}`},
		"absent and null stay":                  {`{"oomScoreAdj":null}`, `{"oomScoreAdj":null}`},
		"limits are clamped, unknown ones stay": {
			`{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1048576,"soft":1024},{"type":"RLIMIT_NEW","hard":18446744073709551615,"soft":7}]}`,
			`{"rlimits":[{"type":"RLIMIT_NOFILE","hard":20000,"soft":1024},{"type":"RLIMIT_NEW","hard":18446744073709551615,"soft":7}]}`,
		},
		"unknown fields survive": {`{"args":["sh"],"later":{"a":[1,2.5]}}`, `{"args":["sh"],"later":{"a":[1,2.5]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AdaptProcess([]byte(c.process), without())
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, got, c.want)
		})
	}
}

func TestAdaptProcessKeepsBigNumbers(t *testing.T) {
	t.Parallel()
	got, err := AdaptProcess([]byte(`{"rlimits":[{"type":"RLIMIT_X","hard":18446744073709551615,"soft":0}]}`), without())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"rlimits":[{"type":"RLIMIT_X","hard":18446744073709551615,"soft":0}]}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAdaptProcessLeavesAFullMachineAlone(t *testing.T) {
	t.Parallel()
	process := `{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"oomScoreAdj":-500,"rlimits":[{"type":"RLIMIT_NOFILE","hard":9,"soft":9}]}`
	got, err := AdaptProcess([]byte(process), Limits{SysResource: true})
	if err != nil || string(got) != process {
		t.Errorf("AdaptProcess() = %s, %v", got, err)
	}
}

func TestAdaptConfig(t *testing.T) {
	t.Parallel()
	hook := specs.Hook{Path: "/bin/guard", Args: []string{"guard"}}
	for name, c := range map[string]struct{ config, want string }{
		"no hooks yet": {
			`{"ociVersion":"1.0.2","process":{"oomScoreAdj":0},"root":{"path":"/r"}}`,
			`{"ociVersion":"1.0.2","process":{"oomScoreAdj":100},"root":{"path":"/r"},"hooks":{"createContainer":[{"path":"/bin/guard","args":["guard"]}]}}`,
		},
		"hooks of others stay": {
			`{"hooks":{"prestart":[{"path":"/net"}],"createContainer":[{"path":"/first"}]}}`,
			`{"hooks":{"prestart":[{"path":"/net"}],"createContainer":[{"path":"/first"},{"path":"/bin/guard","args":["guard"]}]}}`,
		},
		"null hooks": {
			`{"hooks":null}`,
			`{"hooks":{"createContainer":[{"path":"/bin/guard","args":["guard"]}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AdaptConfig([]byte(c.config), without(), hook)
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, got, c.want)
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want call
	}{
		{[]string{"--root", "/r", "--log-format", "json", "create", "--bundle", "/b", "--pid-file", "/p", "id"}, call{"create", "/b", ""}},
		{[]string{"run", "-b=/b", "id"}, call{"run", "/b", ""}},
		{[]string{"run", "id"}, call{"run", ".", ""}},
		{[]string{"exec", "--process", "/p.json", "--detach", "id"}, call{"exec", ".", "/p.json"}},
		{[]string{"--root", "/r", "delete", "--force", "id"}, call{"", ".", ""}},
		{[]string{"exec", "--process"}, call{"exec", ".", ""}},
	} {
		if got := parse(c.args); got != c.want {
			t.Errorf("parse(%q) = %+v, want %+v", c.args, got, c.want)
		}
	}
}
