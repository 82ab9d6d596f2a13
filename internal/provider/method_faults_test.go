package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What TestDatabaseSurvivesEveryFault says is true of databases that archive by the Barman Cloud plugin, in the stories in which
// that makes a difference.
func TestDatabaseByPluginSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	t.Run(string(cnpg.MethodPlugin), func(t *testing.T) {
		t.Parallel()
		surviveFaults(t, append(ofPlugin(restoreStories,
			"restore the latest state", "restore anew what has failed", "destroy a restore that has failed"), ofPlugin(stories,
			"create", "change parameters and labels", "turn backups on", "turn backups off", "rotate the keys", "put back what kubectl has changed",
			"move the archive", "move the archive to a path where another database has its name", "destroy", "destroy with a final backup", "destroy a tainted one")...), &faultKinds{})
	})
}

// It is true of a change of the method, which loses no archive and removes what the former one needed.
func TestMethodChangeSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	plugin := strings.Replace(withBackups, "backup = {", "backup = { method = \"plugin\",", 1)
	inTree := strings.Replace(plugin, "plugin", "barmanObjectStore", 1) // left out, it would stay the plugin
	surviveEveryFault(t, []*story{
		{
			name:   "to the plugin",
			before: database(withBackups), config: database(plugin),
			begins: true,
			makes:  []string{"apply objectstores", "apply clusters", "apply scheduledbackups", "watch clusters", "create backups", "watch backups", "patch clusters"},
			races:  []string{besidesArchiving},
		},
		{
			name:   "from the plugin",
			before: database(plugin), config: database(inTree),
			begins: true,
			makes:  []string{"apply clusters", "apply scheduledbackups", "watch clusters", "create backups", "watch backups", "delete objectstores", "patch clusters"},
			races:  []string{besidesArchiving},
		},
	})
}

// ofPlugin are some of the stories, with some of the faults: what is not about the archive meets all of them without the plugin.
func ofPlugin(all []*story, names ...string) []*story {
	var of []*story
	for _, s := range all {
		if slices.Contains(names, s.name) {
			one := *s
			one.sample = max(8, s.sample)
			of = append(of, &one)
		}
	}
	return of
}

// method is the one by which a story's database archives in the end.
func (s *story) method(f *fakes) cnpg.Method {
	if strings.Contains(s.config, `method = "plugin"`) {
		return cnpg.MethodPlugin
	}
	return f.method
}
