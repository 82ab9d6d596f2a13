package provider

import (
	"cmp"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What every resource that stands for a Cluster computes: its state of health, how to connect, where it archives.

// databaseStatus is the status attribute: CNPG's many phases in a few words.
type databaseStatus string

const (
	statusProvisioning databaseStatus = "PROVISIONING"
	statusReady        databaseStatus = "READY"
	statusDegraded     databaseStatus = "DEGRADED"
	statusFailed       databaseStatus = "FAILED"
	statusHibernated   databaseStatus = "HIBERNATED"
)

func statusOf(cluster *cnpgv1.Cluster) databaseStatus {
	switch {
	case cnpg.Hibernated(cluster):
		return statusHibernated
	case cnpg.Healthy(cluster):
		return statusReady
	case cnpg.Terminal(cluster):
		return statusFailed
	}
	switch cluster.Status.Phase {
	case "", cnpgv1.PhaseFirstPrimary, cnpgv1.PhaseCreatingReplica:
		return statusProvisioning
	}
	return statusDegraded
}

var connectionTypes = map[string]attr.Type{
	"host":           types.StringType,
	"read_only_host": types.StringType,
	"port":           types.Int64Type,
	"database":       types.StringType,
	"username":       types.StringType,
	"secret_name":    types.StringType,
}

const postgresPort = 5432

// connectionOf says how clients in the Kubernetes cluster reach the database of an owner: CNPG's services and application
// Secret.
func connectionOf(cluster *cnpgv1.Cluster, database, owner types.String) types.Object {
	readOnly := types.StringNull()
	if cluster.Spec.Instances > 1 {
		readOnly = types.StringValue(serviceHost(cluster, "ro"))
	}
	_, _, secret := bootstrapped(cluster)
	return types.ObjectValueMust(connectionTypes, map[string]attr.Value{
		"host":           types.StringValue(serviceHost(cluster, "rw")),
		"read_only_host": readOnly,
		"port":           types.Int64Value(postgresPort),
		"database":       database,
		"username":       owner,
		"secret_name":    types.StringValue(secret),
	})
}

// plannedConnection is how clients will reach a database after an update: as before, but for the replicas where these come or go, so that
// what refers to it need not change with each change of the database.
func plannedConnection(plan, state *databaseModel) types.Object {
	if state.Connection.IsNull() || state.Connection.IsUnknown() {
		return types.ObjectUnknown(connectionTypes)
	}
	connection := state.Connection.Attributes()
	if replicas := !connection["read_only_host"].IsNull(); plan.Instances.IsUnknown() || replicas != (plan.Instances.ValueInt64() > 1) {
		connection["read_only_host"] = types.StringUnknown()
	}
	return types.ObjectValueMust(connectionTypes, connection)
}

// connectionAsPlanned is how clients reach a database, as far as a plan has said it: somebody may have changed the Cluster since, which the
// next plan shows.
func connectionAsPlanned(planned, now types.Object) types.Object {
	connection := now.Attributes()
	for name, value := range planned.Attributes() {
		if !value.IsUnknown() {
			connection[name] = value
		}
	}
	return types.ObjectValueMust(connectionTypes, connection)
}

func serviceHost(cluster *cnpgv1.Cluster, service string) string {
	return fmt.Sprintf("%s-%s.%s.svc", cluster.Name, service, cluster.Namespace)
}

// bootstrapped is the application database, its owner, and the Secret with the owner's password.
func bootstrapped(cluster *cnpgv1.Cluster) (database, owner, secret string) {
	database, owner, secret = defaultDatabase, defaultDatabase, cluster.Name+"-app"
	bootstrap := cluster.Spec.Bootstrap
	if bootstrap == nil {
		return
	}
	var userSecret *cnpgv1.LocalObjectReference
	switch {
	case bootstrap.InitDB != nil:
		database, owner, userSecret = bootstrap.InitDB.Database, bootstrap.InitDB.Owner, bootstrap.InitDB.Secret
	case bootstrap.Recovery != nil:
		database, owner, userSecret = bootstrap.Recovery.Database, bootstrap.Recovery.Owner, bootstrap.Recovery.Secret
	case bootstrap.PgBaseBackup != nil:
		database, owner, userSecret = bootstrap.PgBaseBackup.Database, bootstrap.PgBaseBackup.Owner, bootstrap.PgBaseBackup.Secret
	}
	if userSecret != nil {
		secret = userSecret.Name
	}
	database = cmp.Or(database, defaultDatabase)
	return database, cmp.Or(owner, database), secret
}

// defaultDatabase is CNPG's name for the application database and its owner where nobody names them.
const defaultDatabase = "app"

var archiveTypes = map[string]attr.Type{
	"destination_path":        types.StringType,
	"endpoint_url":            types.StringType,
	"server_name":             types.StringType,
	"method":                  types.StringType,
	"continuous_archiving":    types.BoolType,
	"message":                 types.StringType,
	"credentials_fingerprint": types.StringType,
}

// archiveOf says where the database archives and whether that works; null without backups.
func archiveOf(cluster *cnpgv1.Cluster) types.Object {
	store := cnpg.Archiver(cluster)
	if store == nil {
		return types.ObjectNull(archiveTypes)
	}
	works, message := cnpg.ContinuousArchiving(cluster)
	return types.ObjectValueMust(archiveTypes, map[string]attr.Value{
		"destination_path":        types.StringValue(store.DestinationPath),
		"endpoint_url":            nullIfEmpty(store.EndpointURL),
		"server_name":             types.StringValue(cnpg.ServerName(cluster)),
		"method":                  types.StringValue(string(cnpg.MethodOf(cluster))),
		"continuous_archiving":    types.BoolPointerValue(works),
		"message":                 nullIfEmpty(message),
		"credentials_fingerprint": nullIfEmpty(cluster.Annotations[cnpg.AnnotationCredentials]),
	})
}

func nullIfEmpty(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func idAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Computed:            true,
		MarkdownDescription: "`namespace/name`; also what `terraform import` takes.",
		PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
	}
}

func statusAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Computed:            true,
		MarkdownDescription: "`PROVISIONING`, `READY`, `DEGRADED`, `FAILED` or, while the annotation `cnpg.io/hibernation` keeps it without pods, `HIBERNATED`.",
	}
}

func phaseAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Computed:            true,
		MarkdownDescription: "CloudNativePG's own words for the state that the Cluster is in.",
	}
}

func connectionAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "How to connect from inside the Kubernetes cluster. The password is in the Secret, not here.",
		Attributes: map[string]schema.Attribute{
			"host":           schema.StringAttribute{Computed: true, MarkdownDescription: "Service of the primary."},
			"read_only_host": schema.StringAttribute{Computed: true, MarkdownDescription: "Service of the replicas; null at one instance."},
			"port":           schema.Int64Attribute{Computed: true, MarkdownDescription: "Port of both services."},
			"database":       schema.StringAttribute{Computed: true, MarkdownDescription: "Application database."},
			"username":       schema.StringAttribute{Computed: true, MarkdownDescription: "Owner of the application database."},
			"secret_name":    schema.StringAttribute{Computed: true, MarkdownDescription: "Secret with the owner's password, in the database's namespace."},
		},
	}
}

func archiveAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "Where WAL and base backups go; null without backups.",
		Attributes: map[string]schema.Attribute{
			"destination_path":        schema.StringAttribute{Computed: true, MarkdownDescription: "Bucket and prefix, `s3://bucket/prefix`."},
			"endpoint_url":            schema.StringAttribute{Computed: true, MarkdownDescription: "Address of the S3 API as the database pods reach it; null for AWS."},
			"server_name":             schema.StringAttribute{Computed: true, MarkdownDescription: "Folder under the path that is this database's alone."},
			"method":                  schema.StringAttribute{Computed: true, MarkdownDescription: "How CloudNativePG archives, as `backup.method` has it."},
			"continuous_archiving":    schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the last WAL segment reached the archive; null before the first."},
			"message":                 schema.StringAttribute{Computed: true, MarkdownDescription: "The archiver's error while archiving fails."},
			"credentials_fingerprint": schema.StringAttribute{Computed: true, MarkdownDescription: "Salted, truncated hash of what the provider's Secret for the pods holds (access key, region, certificate): it changes when the key is rotated, and says nothing about it. Null where the pods need none."},
		},
	}
}
