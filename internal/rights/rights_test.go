package rights

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

const (
	schedule = `backup = { schedule = "0 2 * * *" }`
	byPlugin = `backup = { schedule = "0 2 * * *", method = "plugin" }`
)

func database(attributes string) string {
	return "\nresource \"pgplatform_database\" \"db\" {\n  name = \"my-db\"\n  deletion_protection = false\n" + attributes + "\n}\n"
}

// scenes are what people do. Each ends with the first step that fails.
var scenes = map[string]func(*world) (done bool){
	"life":            func(w *world) bool { return life(w, schedule) },
	"plugin":          func(w *world) bool { return life(w, byPlugin) },
	"unbacked":        func(w *world) bool { return unbacked(w, schedule) },
	"plugin unbacked": func(w *world) bool { return unbacked(w, byPlugin) },
	"no plugin": func(w *world) bool {
		return w.plan("create", database(byPlugin)) && w.apply("create", database(byPlugin+"\nwait = false"))
	},
	"backup": func(w *world) bool {
		const backup = "\nresource \"pgplatform_backup\" \"now\" {\n  database = \"$NS/my-db\"\n}\n"
		return w.apply("create", database(schedule)) && w.apply("back up", database(schedule)+backup) && w.apply("refresh", database(schedule)+backup) && w.destroy()
	},
	"final backup": func(w *world) bool {
		return w.apply("create", database(schedule+"\nfinal_backup = true")) && w.archive(backupID) && w.destroy()
	},
	"failing backup": func(w *world) bool {
		const fails = schedule + "\nannotations = { fails = \"yes\" }"
		return w.apply("create", database(fails)) && w.apply("back up", database(fails)+"\nresource \"pgplatform_backup\" \"now\" {\n  database = \"$NS/my-db\"\n}\n")
	},
	"full disk": func(w *world) bool {
		const full = "annotations = { full = \"yes\" }\nwait = false\nstorage = { storage_class = \"" + growing + "\", size = \"%s\" }"
		return w.apply("create", database(fmt.Sprintf(full, "1Gi"))) && w.operated() && w.apply("grow", database(fmt.Sprintf(full, "2Gi")))
	},
	"rigid disk": func(w *world) bool {
		const class = "wait = false\nstorage = { storage_class = \"" + rigid + "\", size = \"%s\" }"
		return w.apply("create", database(fmt.Sprintf(class, "1Gi"))) && w.operated() && w.apply("grow", database(fmt.Sprintf(class, "2Gi")))
	},
	"final backup again": func(w *world) bool { // after a destroy that has taken one, and could not see it in S3
		const final = schedule + "\nfinal_backup = true"
		if !w.apply("create", database(final)) {
			return false
		}
		w.s3.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Op != "ListObjects" || !strings.Contains(r.Prefix, "/wals/") {
				return nil
			}
			return &s3test.Fault{Status: http.StatusBadRequest, Code: "InvalidRequest"}
		})
		if w.destroy() {
			return false
		}
		w.s3.Fail(nil)
		return w.archive(w.taken()) && w.destroy()
	},
	"no namespace": func(w *world) bool { return w.plan("create", database(`namespace = "missing"`)) },
	"restore": func(w *world) bool {
		return w.apply("create", database(schedule)) && w.archive(backupID) &&
			w.apply("restore", database(schedule)+restore(`source = { database = "$NS/my-db" }
  verify = { query = "SELECT count(*) FROM orders", expect = "42" }`))
	},
	"plain restore": func(w *world) bool {
		return w.apply("create", database(schedule)) && w.archive(backupID) && w.apply("restore", database(schedule)+restore(`source = { database = "$NS/my-db" }`))
	},
	"restore from elsewhere": func(w *world) bool {
		return w.elsewhere(schedule) != "" && w.apply("restore", restore(`source = { database = "$SOURCE/my-db" }`))
	},
	"restore from elsewhere by the plugin": func(w *world) bool {
		return w.elsewhere(byPlugin) != "" && w.apply("restore", restore(`source = { database = "$SOURCE/my-db" }`))
	},
	"restore a backup from elsewhere": func(w *world) bool {
		backup := w.elsewhere(schedule)
		return w.apply("restore", restore(fmt.Sprintf("source = { backup = %q }", backup)))
	},
	"credentials": func(w *world) bool {
		return w.apply("create", database(schedule)) && w.login() && w.open("open", `
ephemeral "pgplatform_credentials" "app" {
  database = "$NS/my-db"
}
`)
	},
	"no method": func(w *world) bool {
		return w.plan("create", database(schedule)) && w.apply("create", database(schedule))
	},
}

func restore(attributes string) string {
	return "\nresource \"pgplatform_restore\" \"pitr\" {\n  name = \"my-db-pitr\"\n  deletion_protection = false\n  " + attributes + "\n}\n"
}

func life(w *world, backup string) bool {
	return w.apply("create", database(backup)) &&
		w.apply("change", database(strings.Replace(backup, "0 2", "0 3", 1)+"\nlabels = { team = \"a\" }")) && w.destroy()
}

func unbacked(w *world, backup string) bool {
	return w.apply("create", database(backup)) && w.apply("turn backups off", database(`backup = { enabled = false }`))
}

// backupID is that of the base backup in most archives.
const backupID = "20260326T095900"

// archive is what the pods of the database have archived, from a base backup on.
func (w *world) archive(backupID string) bool {
	at := func(hour int) time.Time { return time.Date(2026, 3, 26, hour, 0, 0, 0, time.UTC) }
	a := w.s3.Archive(bucket, "pg", "my-db")
	a.Backup(backupID, at(10), s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
	a.Segments(1, 5, 13, at(10), 15*time.Minute)
	return true
}

// taken is the id of the one base backup that the database's operator has taken.
func (w *world) taken() string {
	w.t.Helper()
	list, err := w.objects.Resource(backups).Namespace(w.namespace).List(w.t.Context(), metav1.ListOptions{})
	must(w.t, err)
	if len(list.Items) != 1 {
		w.t.Fatalf("there are %d Backups: %s", len(list.Items), w.said.String())
	}
	id, _, err := unstructured.NestedString(list.Items[0].Object, "status", "backupId")
	must(w.t, err)
	return id
}

// leastRole is in every message about a missing right.
const leastRole = "https://github.com/pgplatform/terraform-provider-pgplatform/tree/main/examples/rbac"

// without is what a scene says where one right is missing.
type without struct {
	scene string
	// says, beside the API server's words for the right. Where a right is lost without a word, quiet is set, and loses is what nobody
	// says then, and the scene says with the right.
	says  []string
	loses string
	quiet bool
	// whole is set where it is done all the same.
	whole bool
	// old is for what only API servers before Kubernetes 1.34 are asked for.
	old bool
}

const (
	dispensable    = "Done Without a Right"
	pluginMissing  = "Barman Cloud plugin is not installed"
	nothingBacksUp = "in this Kubernetes cluster takes backups"
)

var missing = map[string]without{
	"get clusters.postgresql.cnpg.io":    {scene: "life", says: []string{"Unable to Plan Database", "Nothing was changed."}},
	"list clusters.postgresql.cnpg.io":   {scene: "life", old: true, says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"watch clusters.postgresql.cnpg.io":  {scene: "life", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"create clusters.postgresql.cnpg.io": {scene: "life", says: []string{"Unable to Create Database", "Nothing was created."}},
	"patch clusters.postgresql.cnpg.io":  {scene: "life", says: []string{"Unable to Create Database", "Nothing was created."}},
	"delete clusters.postgresql.cnpg.io": {scene: "life", says: []string{"Unable to Destroy Database"}},

	"get scheduledbackups.postgresql.cnpg.io":    {scene: "life", says: []string{"Unable to"}},
	"create scheduledbackups.postgresql.cnpg.io": {scene: "life", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"patch scheduledbackups.postgresql.cnpg.io":  {scene: "life", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"delete scheduledbackups.postgresql.cnpg.io": {scene: "life", says: []string{"Unable to Destroy Database"}},

	"create secrets": {scene: "life", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"patch secrets":  {scene: "life", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"get secrets":    {scene: "life", says: []string{dispensable, "whether there is a Secret $NS/my-db-backup-s3-creds of somebody else's was not looked at"}},
	"delete secrets": {scene: "unbacked", says: []string{"Secret Not Removed", "It goes when the Cluster goes"}},

	"list pods":                    {scene: "life", old: true, says: []string{dispensable, "whether the pods are as they should be was not looked at"}},
	"watch pods":                   {scene: "life", says: []string{dispensable, "whether the pods are as they should be was not looked at"}},
	"list persistentvolumeclaims":  {scene: "life", says: []string{dispensable, "whether a former Cluster $NS/my-db has left volumes"}},
	"watch persistentvolumeclaims": {scene: "life", says: []string{dispensable, "whether the volumes are as they should be was not looked at"}},
	"list events":                  {scene: "life", old: true, says: []string{dispensable, "errors say nothing of what Kubernetes warns of"}},
	"watch events":                 {scene: "life", says: []string{dispensable, "errors say nothing of what Kubernetes warns of"}},
	"get pods/log":                 {scene: "failing backup", says: []string{dispensable, "exit status 4"}, loses: barmanSays},
	"patch persistentvolumeclaims": {scene: "full disk", says: []string{"Unable to Update Database", "kubectl patch pvc my-db-1 -n $NS"}},

	"get objectstores.barmancloud.cnpg.io":    {scene: "plugin", says: []string{"Unable to"}},
	"list objectstores.barmancloud.cnpg.io":   {scene: "no plugin", quiet: true, says: []string{"is the Barman Cloud plugin installed in this cluster?", "Nothing was created."}, loses: pluginMissing},
	"create objectstores.barmancloud.cnpg.io": {scene: "plugin", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"patch objectstores.barmancloud.cnpg.io":  {scene: "plugin", says: []string{"Unable to Create Database", "is recorded in Terraform's state"}},
	"delete objectstores.barmancloud.cnpg.io": {scene: "plugin unbacked", says: []string{"ObjectStore Not Removed", "It goes when the Cluster goes"}},

	"create backups.postgresql.cnpg.io": {scene: "backup", says: []string{"Unable to Take Backup", "Nothing was created."}},
	"list backups.postgresql.cnpg.io":   {scene: "backup", says: []string{"Unable to Take Backup"}},
	"watch backups.postgresql.cnpg.io":  {scene: "backup", says: []string{"Unable to Take Backup"}},
	"get backups.postgresql.cnpg.io":    {scene: "backup", says: []string{"Unable to Read Backup"}},
	"delete backups.postgresql.cnpg.io": {scene: "backup", says: []string{"Unable to"}},

	"list jobs.batch":  {scene: "restore", old: true, says: []string{dispensable, "how often a recovery was tried is not known"}},
	"watch jobs.batch": {scene: "restore", says: []string{dispensable, "how often a recovery was tried is not known"}},
	"create pods/exec": {scene: "restore", says: []string{"Source Not Flushed", "Unable to Verify the Restored Database"}},

	"get clusters.postgresql.cnpg.io of the source":         {scene: "restore from elsewhere", says: []string{"Unable to Read the Source", "Nothing was changed."}},
	"get scheduledbackups.postgresql.cnpg.io of the source": {scene: "restore from elsewhere", says: []string{"Unable to Read the Source", "Nothing was changed."}},
	"get backups.postgresql.cnpg.io of the source":          {scene: "restore a backup from elsewhere", says: []string{"Unable to Read the Source", "Nothing was changed."}},
	"get objectstores.barmancloud.cnpg.io of the source":    {scene: "restore from elsewhere by the plugin", says: []string{"Unable to Read the Source", "Nothing was changed."}},
	"create pods/exec of the source":                        {scene: "restore from elsewhere", says: []string{"Source Not Flushed"}},

	"get namespaces":                    {scene: "no namespace", quiet: true, loses: "Namespace Does Not Exist Yet"},
	"get storageclasses.storage.k8s.io": {scene: "rigid disk", quiet: true, loses: "does not allow volume expansion"},
}

// more are what scenes say without rights that are needed elsewhere too, and without several at once.
var more = []struct {
	missing []string
	denied  string // the one that the API server has words for
	without
}{
	{
		missing: []string{"get secrets"}, denied: "get secrets",
		without: without{scene: "credentials", says: []string{"Unable to Read Credentials", "$NS/my-db-app", "needs the verb get on it"}},
	},
	{
		missing: []string{"create pods/exec"}, denied: "create pods/exec",
		without: without{scene: "final backup", quiet: true, whole: true},
	},
	{
		missing: []string{"create pods/exec"}, denied: "create pods/exec",
		without: without{scene: "final backup again", whole: true, says: []string{dispensable, "cannot be told to be in S3, so another one is taken"}},
	},
	{ // what it says in which words is not read from a log, and it goes on
		missing: []string{"create pods/exec", "get pods/log"}, denied: "create pods/exec",
		without: without{scene: "plain restore", whole: true, says: []string{"Source Not Flushed"}},
	},
	{ // whether there is a plugin is not told, and the configuration may know better
		missing: []string{"list objectstores.barmancloud.cnpg.io", "get objectstores.barmancloud.cnpg.io"}, denied: "get objectstores.barmancloud.cnpg.io",
		without: without{scene: "no plugin", says: []string{"Unable to Create Database", "Nothing was created."}, loses: pluginMissing},
	},
	{
		missing: []string{"list objectstores.barmancloud.cnpg.io"}, denied: "list objectstores.barmancloud.cnpg.io",
		without: without{scene: "no method", says: []string{"Unable to Create Database", "It cannot be told whether", "set backup.method to what is installed", "Nothing was created."}, loses: nothingBacksUp},
	},
	{
		missing: []string{"list objectstores.barmancloud.cnpg.io", "create clusters.postgresql.cnpg.io"}, denied: "create clusters.postgresql.cnpg.io",
		without: without{scene: "no method", says: []string{"Unable to Create Database", "It cannot be told whether", "Nothing was created."}, loses: nothingBacksUp},
	},
}

// refused are the scenes that end with an error also with all rights, and what it says.
var refused = map[string]string{
	"failing backup": barmanSays,
	"rigid disk":     "does not allow volume expansion",
	"no plugin":      pluginMissing,
	"no method":      nothingBacksUp,
}

// TestAccRights: with the roles of the examples everything works. Without any one of their rights something is refused or lost, and
// the provider says what.
func TestAccRights(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("an acceptance test: make testacc runs it")
	}
	t.Parallel()
	p := newPlatform(t)
	all := everyRight(t)
	for name := range missing {
		if !slices.ContainsFunc(all, func(r right) bool { return r.String() == name }) {
			t.Errorf("no role of the examples has the right to %s", name)
		}
	}
	t.Run("installed", func(t *testing.T) { //nolint:paralleltest // the plugin is removed after it
		p.compare(t, all, func(scene string) bool { return scene != "no plugin" && scene != "no method" })
		p.compareChanges(t, all)
	})
	p.removePlugin(t)
	t.Run("without the plugin", func(t *testing.T) { //nolint:paralleltest // it is removed, and CloudNativePG's own support after it
		p.compare(t, all, func(scene string) bool { return scene == "no plugin" })
	})
	p.removeInTree(t)
	t.Run("without any method", func(t *testing.T) { //nolint:paralleltest // they are removed
		p.compare(t, all, func(scene string) bool { return scene == "no method" })
	})
}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// removePlugin removes the plugin's kind, and waits until the API server knows it no more.
func (p *platform) removePlugin(t *testing.T) {
	t.Helper()
	must(t, p.objects.Resource(definitions).Delete(t.Context(), "objectstores.barmancloud.cnpg.io", metav1.DeleteOptions{}))
	must(t, wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := p.objects.Resource(objectStores).List(ctx, metav1.ListOptions{})
		return apierrors.IsNotFound(err), nil
	}))
}

// removeInTree removes the field of CloudNativePG's own support for barman, and waits until the API server knows it no more.
func (p *platform) removeInTree(t *testing.T) {
	t.Helper()
	const backup = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/backup/properties/barmanObjectStore"
	_, err := p.objects.Resource(definitions).Patch(t.Context(), "clusters.postgresql.cnpg.io", types.JSONPatchType,
		[]byte(`[{"op": "remove", "path": "`+backup+`"}]`), metav1.PatchOptions{})
	must(t, err)
	must(t, wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		client, err := cnpg.New(p.config, "rights-test") // one keeps what it was told
		if err != nil {
			return false, err
		}
		installed, err := client.Installed(ctx, cnpg.MethodInTree, "default")
		return !installed, err
	}))
}

// compare plays scenes with all rights, and then without each of those that they are about.
func (p *platform) compare(t *testing.T, all []right, which func(scene string) bool) {
	t.Helper()
	said := map[string]string{}
	for name, play := range scenes {
		for _, old := range []bool{false, true} {
			if !which(name) || old && !aboutOld(name) {
				continue
			}
			w := p.world(t, old)
			why, ends := refused[name]
			went := play(w)
			said[name] = w.said.String()
			if strings.Contains(said[name], "forbidden") || went == ends || !strings.Contains(said[name], why) {
				t.Errorf("with every right, the scene %q: %s", name, said[name])
			}
		}
	}
	for _, r := range all {
		want, known := missing[r.String()]
		switch {
		case !known:
			t.Errorf("nobody knows what the right to %s is for", r)
		case which(want.scene):
			t.Run(r.String(), func(t *testing.T) {
				t.Parallel()
				w := p.world(t, want.old, r.String())
				scenes[want.scene](w)
				want.check(t, r, w, said[want.scene])
			})
		}
	}
	for _, want := range more {
		denied := slices.IndexFunc(all, func(r right) bool { return r.String() == want.denied })
		switch {
		case denied < 0:
			t.Errorf("no role of the examples has the right to %s", want.denied)
		case which(want.scene):
			t.Run(want.scene+" without "+strings.Join(want.missing, ", "), func(t *testing.T) {
				t.Parallel()
				w := p.world(t, want.old, want.missing...)
				if done := scenes[want.scene](w); want.whole && !done {
					t.Error("it is not done")
				}
				want.check(t, all[denied], w, said[want.scene])
			})
		}
	}
}

// aboutOld tells whether a scene is about rights that only older API servers ask for.
func aboutOld(scene string) bool {
	for _, want := range missing {
		if want.old && want.scene == scene {
			return true
		}
	}
	return false
}

// check compares what a scene says without a right with what it should say, and with what it says with it.
func (want without) check(t *testing.T, r right, w *world, with string) {
	t.Helper()
	text, says := w.said.String(), want.says
	if !want.quiet {
		says = append(says, r.denied(w), leastRole)
	}
	for _, part := range says {
		if !strings.Contains(text, w.named(part)) {
			t.Errorf("the scene %q does not say %q:\n%s", want.scene, part, text)
		}
	}
	if want.loses != "" && (strings.Contains(text, want.loses) || !strings.Contains(with, want.loses)) {
		t.Errorf("the scene %q does not say %q with the right alone; without it:\n%s\nwith it:\n%s", want.scene, want.loses, text, with)
	}
}
