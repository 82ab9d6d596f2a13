package provider_test

import (
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// story is one thing that is done to a database.
type story struct {
	name string
	// before is the configuration that is applied first; with tainted its creation fails when the Cluster exists.
	before  string
	tainted bool
	prepare func(*scene)
	// config is the configuration whose apply meets the faults; without one the database is destroyed.
	config string
	// rotated is done with other keys for S3 than before.
	rotated bool
	// makes are beginnings of requests without which the story would not be about what it says.
	makes []string
	// begins tells that the archive goes on with a base backup, which nobody may forget.
	begins bool
	// wanted tells what the Cluster lacks in the end.
	wanted func(*cnpgv1.Cluster) string
}

const (
	withBackups   = unprotected + "backup = { schedule = \"0 2 * * *\", retention_days = 7 }\n"
	withParameter = "parameters = { work_mem = \"8MB\" }\n"
)

var stories = []*story{
	{
		name:   "create",
		config: database(withBackups + withParameter),
		makes: []string{
			"get clusters", "get namespaces", "apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "watch pods", "ListObjects pg/my-db/",
		},
	},
	{
		name:   "create without backups",
		config: database(unprotected),
		makes:  []string{"apply clusters", "watch clusters"},
	},
	{
		name:   "change parameters and labels",
		before: database(withBackups + withParameter),
		config: database(withBackups + "parameters = { work_mem = \"16MB\", log_statement = \"all\" }\nlabels = { team = \"a\" }\ninstances = 2\norg_id = \"acme\"\n"),
		makes:  []string{"get clusters", "apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters"},
		wanted: func(c *cnpgv1.Cluster) string {
			if c.Spec.PostgresConfiguration.Parameters["work_mem"] != "16MB" || c.Labels["team"] != "a" || c.Spec.Instances != 2 {
				return "the new parameters, labels and instances"
			}
			return ""
		},
	},
	{
		name:   "turn backups on",
		before: database(unprotected),
		config: database(withBackups),
		makes:  []string{"apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "ListObjects pg/my-db/"},
	},
	{
		name:   "turn backups off",
		before: database(withBackups),
		config: database(unprotected),
		makes:  []string{"apply clusters", "delete scheduledbackups", "watch clusters"},
	},
	{
		name:    "rotate the keys",
		before:  database(withBackups),
		config:  database(withBackups),
		rotated: true,
		makes:   []string{"apply clusters", "apply secrets", "watch clusters"},
	},
	{
		name:   "move the archive",
		before: database(withBackups),
		config: database(strings.Replace(withBackups, "retention_days", "server_name = \"v2\", retention_days", 1)),
		begins: true,
		makes:  []string{"apply clusters", "list backups", "create backups", "watch backups", "ListObjects pg/v2/"},
		wanted: func(c *cnpgv1.Cluster) string {
			if cnpg.ServerName(c) != "v2" {
				return "the new folder"
			}
			return ""
		},
	},
	{
		name:   "change the schedule",
		before: database(withBackups),
		config: strings.Replace(database(withBackups), "0 2 * * *", "30 4 * * *", 1),
		makes:  []string{"apply scheduledbackups"},
	},
	{
		name:   "replace",
		before: database(withBackups),
		config: database(withBackups + "owner = \"somebody\"\n"),
		makes:  []string{"delete clusters", "delete scheduledbackups", "get secrets", "apply clusters", "watch clusters", "watch persistentvolumeclaims"},
		wanted: func(c *cnpgv1.Cluster) string {
			if c.Spec.Bootstrap == nil || c.Spec.Bootstrap.InitDB == nil || c.Spec.Bootstrap.InitDB.Owner != "somebody" {
				return "the new owner"
			}
			return ""
		},
	},
	{
		name:   "destroy",
		before: database(withBackups),
		makes:  []string{"get clusters", "delete scheduledbackups", "delete clusters", "get secrets", "watch clusters", "watch persistentvolumeclaims"},
	},
	{
		name:    "destroy a tainted one",
		before:  database(withBackups),
		tainted: true,
		makes:   []string{"delete clusters", "watch persistentvolumeclaims"},
	},
}

// deletes tells whether the Cluster goes in the story.
func (s *story) deletes() bool { return slices.Contains(s.makes, "delete clusters") }

// creates is how many Clusters are made in the story, whatever goes wrong.
func (s *story) creates() int64 {
	if s.config != "" && (s.before == "" || s.deletes()) {
		return 1
	}
	return 0
}

// text is a story's configuration with the provider's block.
func (w *scene) text(resources string, rotated bool) string {
	text := w.config(resources)
	if rotated {
		text = strings.ReplaceAll(text, s3test.AccessKeyID, rotatedKey)
	}
	return text
}

const rotatedKey = "ROTATEDACCESSKEY0001"
