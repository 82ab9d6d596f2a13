package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
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

// Nor does it lose what a restored database says of the archive that it was restored from, there and, where the plugin is gone, back.
func TestMethodChangeOfARestoredDatabaseSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	inTree := restoreOf(unprotected + withinTheWindow + strings.Replace(nightly, "backup = {", "backup = { method = \"barmanObjectStore\",", 1))
	plugin := strings.Replace(inTree, "barmanObjectStore", "plugin", 1)
	origin := func(method cnpg.Method) func(*scene) string {
		return func(w *scene) string {
			named := apitest.Get[cnpgv1.Cluster](w.kube, fakeNamespace, "my-db-pitr")
			store := apitest.Get[barmancloud.ObjectStore](w.kube, fakeNamespace, cnpg.OriginStoreName("my-db-pitr"))
			switch told := strings.Contains(w.told.String(), "ObjectStore Not Removed"); {
			case cnpg.OriginMethod(named, "origin") != method || cnpg.OriginServer(named, "origin") != "my-db-v1":
				return fmt.Sprintf("the archive that it was restored from, in %+v,", named.Spec.ExternalClusters)
			case (store != nil) != (method == cnpg.MethodPlugin) && !told:
				return fmt.Sprintf("what is to be in place of the ObjectStore %+v", store)
			}
			return ""
		}
	}
	surviveFaults(t, []*story{
		{
			name: "to the plugin", of: theRestore,
			before: inTree, config: plugin,
			begins: true, sample: 12, races: []string{besidesArchiving},
			makes:  []string{"apply objectstores myorg/my-db-pitr-origin", "apply clusters", "apply scheduledbackups", "watch clusters", "create backups", "watch backups", "patch clusters"},
			wanted: origin(cnpg.MethodPlugin),
		},
		{
			name: "back from a plugin that is gone", of: theRestore,
			before: plugin, config: inTree,
			prepare: func(w *scene) { w.kube.RemovePlugin() },
			begins:  true, sample: 12, races: []string{besidesArchiving},
			makes:  []string{"apply clusters", "apply scheduledbackups", "watch clusters", "create backups", "watch backups", "delete objectstores myorg/my-db-pitr-origin", "patch clusters"},
			wanted: origin(cnpg.MethodInTree),
		},
	}, &faultKinds{})
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
