package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func databaseNameAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, Default: stringdefault.StaticString(defaultDatabase),
		MarkdownDescription: "Name of the application database. Default `app`. Changing it makes a new database.",
		Validators:          []validator.String{isIdentifier("postgres", "template0", "template1")},
		PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
	}
}

func ownerAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, Default: stringdefault.StaticString(defaultDatabase),
		MarkdownDescription: "Name of the role that owns the application database. Default `app`. Changing it makes a new database.",
		Validators:          []validator.String{isIdentifier("postgres", "streaming_replica", "cnpg_pooler_pgbouncer")},
		PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
	}
}

// maxIdentifierLength is PostgreSQL's limit for names, in bytes; longer ones it would cut off.
const maxIdentifierLength = 63

// isIdentifier is a validator for names of databases and roles. taken are those that PostgreSQL and CNPG use themselves.
func isIdentifier(taken ...string) validator.String {
	return parses{"a name of PostgreSQL", func(s string) error {
		switch {
		case s == "":
			return errors.New("a name cannot be empty")
		case len(s) > maxIdentifierLength:
			return fmt.Errorf("%q is longer than the %d bytes that PostgreSQL's names may have", s, maxIdentifierLength)
		case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\u007f' }):
			return fmt.Errorf("%q has a control character", s)
		case slices.Contains(taken, s), strings.HasPrefix(s, "pg_"):
			return fmt.Errorf("%q is used by PostgreSQL or CloudNativePG itself", s)
		}
		return nil
	}}
}

// applicationOf is the application database of a Cluster and its owner.
func applicationOf(cluster *cnpgv1.Cluster) (database, owner types.String) {
	name, role, _ := bootstrapped(cluster)
	return types.StringValue(name), types.StringValue(role)
}

func pgHBAAttribute() schema.ListAttribute {
	return schema.ListAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Lines of `pg_hba.conf`, which CloudNativePG puts between its own and the last one, `host all all all scram-sha-256`. Default: none. Changed in place; open connections stay.",
		Validators:          []validator.List{listvalidator.ValueStringsAre(isHBALine()), listvalidator.NoNullValues()},
	}
}

// hbaTypes are the words that a line of pg_hba.conf may begin with.
var hbaTypes = []string{
	"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc", "include", "include_if_exists", "include_dir",
}

// isHBALine refuses what PostgreSQL would: it keeps to its old rules then, and only its log says so.
func isHBALine() validator.String {
	return parses{"a line of pg_hba.conf", func(s string) error {
		if strings.ContainsAny(s, "\r\n") {
			return fmt.Errorf("%q is more than one line", s)
		}
		fields := strings.Fields(s)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "#") && !slices.Contains(hbaTypes, fields[0]) {
			return fmt.Errorf("%q is no line of pg_hba.conf: it begins with one of %s", s, strings.Join(hbaTypes, ", "))
		}
		return nil
	}}
}

func hbaOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.List) types.List {
	if before.IsNull() && !fields.Ours("spec", "postgresql", "pg_hba") {
		return before
	}
	lines := []attr.Value{}
	for _, line := range cluster.Spec.PostgresConfiguration.PgHBA {
		lines = append(lines, types.StringValue(line))
	}
	return listOr(lines, before)
}
