package provider

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// postgresPath is the attribute by which the configuration chooses PostgreSQL.
func (m *databaseModel) postgresPath() path.Path {
	if m.PostgresVersion.IsNull() {
		return path.Root("image")
	}
	return path.Root("postgres_version")
}

// statesImage tells whether an apply names the image: where the configuration chooses it, or did so before.
func (m *databaseModel) statesImage(live *cnpgv1.Cluster) bool {
	fields := cnpg.Fields(live)
	return !m.Image.IsNull() || !m.PostgresVersion.IsNull() || fields.Applied() && fields.Ours("spec", "imageName")
}

func (m *databaseModel) postgres() imageModel {
	return imageModel{image: m.Image, version: m.PostgresVersion}
}

// choosePostgres fills in which PostgreSQL the database runs.
func (m *databaseModel) choosePostgres(config, state *databaseModel) {
	before := imageModel{image: types.StringUnknown(), version: types.StringUnknown()}
	if state != nil {
		before = state.postgres()
	}
	planned := planImage(config.postgres(), before)
	m.Image, m.PostgresVersion = planned.image, planned.version
}

// configured is what a configuration says that runs this, at the attribute by which it chooses PostgreSQL. An image that is
// none of CNPG's has no version that says all of it.
func (m imageModel) configured(at path.Path) string {
	if repository, _ := splitImage(m.image.ValueString()); at.Equal(path.Root("postgres_version")) && repository == postgresRepository {
		return fmt.Sprintf("postgres_version = %q", m.version.ValueString())
	}
	return fmt.Sprintf("image = %q", m.image.ValueString())
}

// changesMajor tells whether a plan goes to another major version of PostgreSQL, or back from one that an upgrade did not
// reach. Either way the archive begins anew: a folder holds the WAL of one version.
func changesMajor(planned, before imageModel) bool {
	to, errTo := parsePostgresVersion(planned.version.ValueString())
	from, errFrom := parsePostgresVersion(before.version.ValueString())
	return errTo == nil && errFrom == nil && to.major != from.major
}

// planPostgres refuses what PostgreSQL cannot do with the data that are there, and tells what a major upgrade means for
// the backups.
func (r *clusterResource) planPostgres(ctx context.Context, at path.Path, plan, state *databaseModel, diags *diag.Diagnostics) {
	planned, before := plan.postgres(), state.postgres()
	to, errTo := parsePostgresVersion(planned.version.ValueString())
	from, errFrom := parsePostgresVersion(before.version.ValueString())
	switch {
	case errTo != nil || errFrom != nil:
	case to.major < from.major && r.backend.goesBack(ctx, at, plan, to):
	case to.older(from):
		diags.AddAttributeError(at, "PostgreSQL Cannot Be Downgraded", paragraphs(
			fmt.Sprintf("The database %s runs PostgreSQL %s; %s is older.", plan.key(), before.version.ValueString(), planned.version.ValueString()),
			r.backend.setOutside(ctx, plan.key(), before.configured(at), "spec", "imageName")))
	case to.major > from.major && to.major < oldestUpgrade:
		diags.AddAttributeError(at, "Unsupported Upgrade", fmt.Sprintf(
			"CloudNativePG upgrades a database to another major version only if that is %d or later.", oldestUpgrade))
	case to.major > from.major:
		diags.AddAttributeWarning(at, "Major Upgrade", paragraphs(
			fmt.Sprintf("PostgreSQL %s takes over the data of PostgreSQL %s. The database %s is down while it does, and there is no way back but a restore.",
				planned.version.ValueString(), before.version.ValueString(), plan.key()),
			"Nothing can be restored across major versions: with backups, the database archives to a new folder from then on, and a base backup is taken at once. "+
				"The old folder keeps what can be restored with the old version."))
	}
}

// goesBack tells whether the data of a database are still of the major version that a plan goes to, although the image is
// of a later one: an upgrade that failed leaves it so. CNPG then goes on with the old version, and the plan gets the image
// of before, whose collations the data have.
func (b *backend) goesBack(ctx context.Context, at path.Path, plan *databaseModel, to postgresVersion) bool {
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return false
	}
	cluster, err := client.GetCluster(ctx, plan.key())
	if err != nil || cluster.Status.PGDataImageInfo == nil {
		return false
	}
	image := cluster.Status.PGDataImageInfo.Image
	data, err := parsePostgresVersion(imageVersion(image).ValueString())
	if err != nil || data.major != to.major || to.older(data) {
		return false
	}
	if at.Equal(path.Root("postgres_version")) {
		plan.Image = types.StringValue(imageFor(plan.PostgresVersion.ValueString(), image))
	}
	return true
}
