package provider

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

const (
	// postgresRepository is where CNPG's own images are.
	postgresRepository = "ghcr.io/cloudnative-pg/postgresql"
	// postgresFlavour is the kind of CNPG's images that has barman inside, and the Debian release that a new database gets.
	postgresFlavour = "system-trixie"
	// oldestPostgres is the oldest major version that CNPG runs.
	oldestPostgres = 13
	// oldestUpgrade is the oldest major version that CNPG upgrades to.
	oldestUpgrade = 16
)

func postgresVersionAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "PostgreSQL's version, `17` or `17.5`: CloudNativePG's image for it, `" + postgresRepository + ":<version>-" + postgresFlavour + "`; " +
			"a database that runs such an image keeps its flavour and Debian release. It may rise: minor versions at once, major ones (to 16 or later) " +
			"with an archive of their own, since nothing can be restored across them; a lower one is refused. Not together with `image`. Default: the operator's when the database is made, which it keeps. Changing it restarts the pods.",
		Validators: []validator.String{
			isPostgresVersion(),
			stringvalidator.ConflictsWith(path.MatchRoot("image")),
		},
	}
}

func imageAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "Image of PostgreSQL, whose tag begins with PostgreSQL's version. Backups need barman inside. Not together with `postgres_version`. Default: the operator's when the database is made, which it keeps. Changing it restarts the pods; of its version the same is true as of `postgres_version`.",
		Validators:          []validator.String{isImage()},
	}
}

func imagePullSecretsAttribute() schema.ListAttribute {
	return schema.ListAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Names of Secrets in the database's namespace with which its images are pulled. Default: none. Changed in place.",
		Validators:          []validator.List{listvalidator.ValueStringsAre(isObjectName()), listvalidator.NoNullValues()},
	}
}

// postgresVersion is a version of PostgreSQL as a tag begins with it. A tag without a minor version follows the newest.
type postgresVersion struct {
	major, minor int
	anyMinor     bool
}

var leadingVersion = regexp.MustCompile(`^(\d+)(?:\.(\d+))?`)

func parsePostgresVersion(s string) (postgresVersion, error) {
	if leadingVersion.FindString(s) != s || s == "" {
		return postgresVersion{}, fmt.Errorf("%q is no version of PostgreSQL: write it as 17 or 17.5", s)
	}
	parts := leadingVersion.FindStringSubmatch(s)
	major, err := strconv.Atoi(parts[1])
	if err != nil || major < oldestPostgres {
		return postgresVersion{}, fmt.Errorf("%q is too old: CloudNativePG runs PostgreSQL %d and later", s, oldestPostgres)
	}
	version := postgresVersion{major: major, anyMinor: parts[2] == ""}
	if !version.anyMinor {
		if version.minor, err = strconv.Atoi(parts[2]); err != nil {
			return postgresVersion{}, fmt.Errorf("%q is no version of PostgreSQL: %w", s, err)
		}
	}
	return version, nil
}

// older tells whether going from the other version to this one is a downgrade.
func (v postgresVersion) older(other postgresVersion) bool {
	if v.major != other.major {
		return v.major < other.major
	}
	return !v.anyMinor && !other.anyMinor && v.minor < other.minor
}

// splitImage is the part of an image's name in front of its tag, and the tag; "" where it has none.
func splitImage(image string) (repository, tag string) {
	image, _, _ = strings.Cut(image, "@")
	colon := strings.LastIndex(image, ":")
	if colon < 0 || colon < strings.LastIndex(image, "/") {
		return image, ""
	}
	return image[:colon], image[colon+1:]
}

// imageVersion is the version that an image's tag begins with; null where it begins with none.
func imageVersion(image string) types.String {
	_, tag := splitImage(image)
	return nullIfEmpty(leadingVersion.FindString(tag))
}

// imageFor is CNPG's image of a version, in the flavour and on the Debian release of the image that the database runs:
// another release has other collations, which would break the indexes on text.
func imageFor(version, running string) string {
	flavour := "-" + postgresFlavour
	if repository, tag := splitImage(running); repository == postgresRepository && leadingVersion.MatchString(tag) {
		flavour = buildNumber.ReplaceAllString(strings.TrimPrefix(tag, leadingVersion.FindString(tag)), "")
	}
	return postgresRepository + ":" + version + flavour
}

// buildNumber is the part of a tag, after the version, that names one build of an image: "17.5-202506020832-system-trixie".
var buildNumber = regexp.MustCompile(`^-\d+`)

func isPostgresVersion() validator.String {
	return parses{"a version of PostgreSQL", func(s string) error { _, err := parsePostgresVersion(s); return err }}
}

func isImage() validator.String {
	return parses{"an image whose tag begins with PostgreSQL's version", func(s string) error {
		_, tag := splitImage(s)
		if strings.ContainsAny(s, " \t\n") || tag == "" || leadingVersion.FindString(tag) == "" {
			return fmt.Errorf("%q has no tag that begins with PostgreSQL's version, by which CloudNativePG knows it: write %s:17.5-%s", s, postgresRepository, postgresFlavour)
		}
		_, err := parsePostgresVersion(leadingVersion.FindString(tag))
		return err
	}}
}

// imageOf is the image that a Cluster runs; null while that is open.
func imageOf(cluster *cnpgv1.Cluster) types.String {
	if cluster.Spec.ImageName != "" {
		return types.StringValue(cluster.Spec.ImageName)
	}
	return nullIfEmpty(cluster.Status.Image)
}

// imageModel is what a database runs.
type imageModel struct{ image, version types.String }

// planImage is what a plan runs: what the configuration says, and else what was there before, unknown for a new database,
// whose image the operator chooses.
func planImage(configured, before imageModel) imageModel {
	switch {
	case configured.image.IsUnknown() || configured.version.IsUnknown():
		image := configured.image
		if image.IsNull() {
			image = types.StringUnknown()
		}
		return imageModel{image: image, version: types.StringUnknown()}
	case !configured.image.IsNull():
		return imageModel{image: configured.image, version: imageVersion(configured.image.ValueString())}
	case !configured.version.IsNull():
		if repository, _ := splitImage(before.image.ValueString()); repository == postgresRepository && configured.version.Equal(before.version) {
			return before
		}
		image := imageFor(configured.version.ValueString(), before.image.ValueString())
		return imageModel{image: types.StringValue(image), version: configured.version}
	}
	return before
}

func toPullSecrets(ctx context.Context, list types.List, diags *diag.Diagnostics) []cnpgv1.LocalObjectReference {
	var names []string
	diags.Append(elements(ctx, list, &names)...)
	var references []cnpgv1.LocalObjectReference
	for _, name := range names {
		references = append(references, cnpgv1.LocalObjectReference{Name: name})
	}
	return references
}

func pullSecretsOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.List) types.List {
	if before.IsNull() && !fields.Ours("spec", "imagePullSecrets") {
		return before
	}
	names := []attr.Value{}
	for _, reference := range cluster.Spec.ImagePullSecrets {
		names = append(names, types.StringValue(reference.Name))
	}
	return listOr(names, before)
}
