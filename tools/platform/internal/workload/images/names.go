package images

import (
	"slices"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// Names are the images of what runs in the cluster, as the nodes know them.
type Names struct {
	Operator string `json:"operator"`
	// Plugin is the operator's Barman Cloud plugin, and PluginSidecar what it puts beside PostgreSQL. Empty where the platform
	// was made without it.
	Plugin        string `json:"plugin,omitempty"`
	PluginSidecar string `json:"pluginSidecar,omitempty"`
	// Postgres15Old and Postgres15 are two minor versions of 15. They are the same image while Debian offers one
	// version only.
	Postgres15Old string `json:"postgres15Old"`
	Postgres15    string `json:"postgres15"`
	// Postgres17 is what the operator runs where a Cluster names no image.
	Postgres17 string `json:"postgres17"`
	// Postgres17Upgrade is 17 with what a database that ran Postgres15 needs to be upgraded to it. Empty where the platform
	// was made without it.
	Postgres17Upgrade string `json:"postgres17Upgrade,omitempty"`
	LocalStack        string `json:"localStack"`
	VersityGW         string `json:"versityGW"`
	// LoopVolumes is the provisioner of the growing storage class. Empty where the platform was made without it.
	LoopVolumes string `json:"loopVolumes,omitempty"`
}

const operatorRepository = "ghcr.io/cloudnative-pg/cloudnative-pg"

// operator is the name in the operator's own manifest.
const operator = operatorRepository + ":" + versions.CloudNativePG

// The names that the plugin's releases have.
const (
	plugin        = "ghcr.io/cloudnative-pg/plugin-barman-cloud:" + versions.BarmanCloudPlugin
	pluginSidecar = "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:" + versions.BarmanCloudPlugin
)

const postgresRepository = "ghcr.io/cloudnative-pg/postgresql"

// Public are the images that registries offer, for a machine that can pull them. PostgreSQL's are CloudNativePG's
// "system" images, the ones that have barman-cloud inside. LoopVolumes is our own: no registry has it.
func Public() Names {
	return Names{
		Operator:          operatorRepository + ":" + versions.Operator(),
		Plugin:            plugin,
		PluginSidecar:     pluginSidecar,
		Postgres15Old:     postgresRepository + ":15.17-system-bookworm",
		Postgres15:        postgresRepository + ":15.18-system-bookworm",
		Postgres17:        postgresRepository + ":17.10-system-trixie",
		Postgres17Upgrade: postgresRepository + ":17.10-system-bookworm",
		// Images from 2026.03 on want an account.
		LocalStack: "localstack/localstack:" + versions.LocalStack,
		VersityGW:  "versity/versitygw:" + versions.VersityGW,
	}
}

// Postgres lists the PostgreSQL images, each once.
func (n Names) Postgres() []string {
	all := []string{n.Postgres15Old, n.Postgres15, n.Postgres17, n.Postgres17Upgrade}
	return slices.Compact(slices.DeleteFunc(all, func(name string) bool { return name == "" }))
}

// All lists all images, each once.
func (n Names) All() []string {
	return append(n.Postgres(), n.Operator, n.Plugin, n.PluginSidecar, n.LocalStack, n.VersityGW, n.LoopVolumes)
}
