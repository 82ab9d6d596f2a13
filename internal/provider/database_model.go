package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

type databaseModel struct {
	Name               types.String   `tfsdk:"name"`
	Namespace          types.String   `tfsdk:"namespace"`
	OrgID              types.String   `tfsdk:"org_id"`
	DatabaseType       types.String   `tfsdk:"database_type"`
	Tier               types.String   `tfsdk:"tier"`
	Instances          wholeNumber    `tfsdk:"instances"`
	Storage            types.Object   `tfsdk:"storage"`
	WALStorage         types.Object   `tfsdk:"wal_storage"`
	Resources          types.Object   `tfsdk:"resources"`
	PostgresVersion    types.String   `tfsdk:"postgres_version"`
	Image              types.String   `tfsdk:"image"`
	Parameters         types.Map      `tfsdk:"parameters"`
	DatabaseName       types.String   `tfsdk:"database_name"`
	Owner              types.String   `tfsdk:"owner"`
	Labels             types.Map      `tfsdk:"labels"`
	Annotations        types.Map      `tfsdk:"annotations"`
	ImagePullSecrets   types.List     `tfsdk:"image_pull_secrets"`
	PgHBA              types.List     `tfsdk:"pg_hba"`
	Scheduling         types.Object   `tfsdk:"scheduling"`
	Backup             types.Object   `tfsdk:"backup"`
	DeletionProtection types.Bool     `tfsdk:"deletion_protection"`
	FinalBackup        types.Bool     `tfsdk:"final_backup"`
	ForceConflicts     types.Bool     `tfsdk:"force_conflicts"`
	Wait               types.Bool     `tfsdk:"wait"`
	Timeouts           timeouts.Value `tfsdk:"timeouts"`

	ID         types.String `tfsdk:"id"`
	Status     types.String `tfsdk:"status"`
	Phase      types.String `tfsdk:"phase"`
	Connection types.Object `tfsdk:"connection_info"`
	Archive    types.Object `tfsdk:"archive"`
}

type resourcesModel struct {
	CPU    semanticString `tfsdk:"cpu"`
	Memory semanticString `tfsdk:"memory"`
}

var resourcesTypes = map[string]attr.Type{"cpu": quantityType, "memory": quantityType}

func (m *databaseModel) key() cnpg.Key {
	return cnpg.Key{Namespace: m.Namespace.ValueString(), Name: m.Name.ValueString()}
}

func (m *databaseModel) backup(ctx context.Context, diags *diag.Diagnostics) *backupSettings {
	return backupFrom(ctx, m.Backup, diags)
}

// toCluster is the Cluster that the model asks for, without the bootstrap fields. location is where it archives;
// unused without backups.
func (m *databaseModel) toCluster(ctx context.Context, location archiveLocation, diags *diag.Diagnostics) *cnpgv1.Cluster {
	var storage storageModel
	var resources resourcesModel
	var parameters, labels, annotations map[string]string
	var hba []string
	diags.Append(m.Storage.As(ctx, &storage, basetypes.ObjectAsOptions{})...)
	diags.Append(m.Resources.As(ctx, &resources, basetypes.ObjectAsOptions{})...)
	diags.Append(elements(ctx, m.Parameters, &parameters)...)
	diags.Append(elements(ctx, m.Labels, &labels)...)
	diags.Append(elements(ctx, m.Annotations, &annotations)...)
	diags.Append(elements(ctx, m.PgHBA, &hba)...)
	backup := m.backup(ctx, diags)
	walStorage := toWALStorage(ctx, m.WALStorage, diags)
	pullSecrets := toPullSecrets(ctx, m.ImagePullSecrets, diags)
	affinity := toAffinity(ctx, m.Scheduling, diags)
	if diags.HasError() {
		return nil
	}

	cluster := &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace.ValueString(), Name: m.Name.ValueString(), Labels: labels, Annotations: annotations},
		Spec: cnpgv1.ClusterSpec{
			ImageName:             m.Image.ValueString(),
			ImagePullSecrets:      pullSecrets,
			Instances:             int(m.Instances.ValueInt64()),
			StorageConfiguration:  storage.toStorage(),
			WalStorage:            walStorage,
			Resources:             resources.requirements(diags),
			Affinity:              affinity,
			PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: parameters, PgHBA: hba},
		},
	}
	if org := m.OrgID.ValueString(); org != "" {
		metav1.SetMetaDataLabel(&cluster.ObjectMeta, cnpg.LabelOrgID, org)
	}
	if tier := m.Tier.ValueString(); tier != "" {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationTier, tier)
	}
	backup.toCluster(ctx, cluster, location, diags)
	return cluster
}

// requirements asks for CPU and memory, and limits memory to what is asked for: PostgreSQL that is killed for another
// pod's memory is worse than PostgreSQL that was given less.
func (r resourcesModel) requirements(diags *diag.Diagnostics) corev1.ResourceRequirements {
	requirements := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	if v := r.CPU.ValueString(); v != "" {
		cpu, err := parseCPU(v)
		if err != nil {
			at := path.Root("resources").AtName("cpu")
			diags.AddAttributeError(at, "Invalid CPU", sentenceAt(at, err))
		}
		requirements.Requests[corev1.ResourceCPU] = cpu
	}
	if v := r.Memory.ValueString(); v != "" {
		memory, err := parseSize(v)
		if err != nil {
			at := path.Root("resources").AtName("memory")
			diags.AddAttributeError(at, "Invalid Memory", sentenceAt(at, err))
		}
		requirements.Requests[corev1.ResourceMemory] = memory
		requirements.Limits[corev1.ResourceMemory] = memory
	}
	return requirements
}

// fromCluster takes over what stands in Kubernetes. What Kubernetes has no place for stays as it is in the model. Only what
// is configured is seen as seen does: what is computed says what the Cluster has, whoever set it.
func (m *databaseModel) fromCluster(ctx context.Context, b *backend, cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, seen archiveSeen, diags *diag.Diagnostics) {
	fields := cnpg.Fields(cluster)
	m.Namespace = types.StringValue(cluster.Namespace)
	m.Name = types.StringValue(cluster.Name)
	m.OrgID = orgIDOf(cluster, fields, m.OrgID)
	m.Tier = nullIfEmpty(cluster.Annotations[cnpg.AnnotationTier])
	m.Instances = wholeNumberOf(int64(cluster.Spec.Instances))
	m.Storage = storageOf(cluster.Spec.StorageConfiguration)
	if !m.WALStorage.IsNull() || fields.Ours("spec", "walStorage") {
		m.WALStorage = walStorageOf(cluster)
	}
	m.Resources = resourcesOf(cluster, fields, !m.Resources.IsNull())
	m.Image = imageOf(cluster)
	m.PostgresVersion = imageVersion(m.Image.ValueString())
	m.Parameters = parametersOf(cluster, fields, m.Parameters)
	if m.DatabaseName.IsNull() || m.Owner.IsNull() {
		// Once known they stay: CNPG reads spec.bootstrap when it makes a Cluster, and what is written there later is not true.
		m.DatabaseName, m.Owner = applicationOf(cluster)
	}
	m.Labels, m.Annotations = labelsOf(cluster, fields, m.Labels), annotationsOf(cluster, fields, m.Annotations)
	m.ImagePullSecrets = pullSecretsOf(cluster, fields, m.ImagePullSecrets)
	m.PgHBA = hbaOf(cluster, fields, m.PgHBA)
	m.Scheduling = schedulingOf(ctx, cluster, fields, m.Scheduling, diags)
	m.Backup = b.backupOf(seen.view(cluster), seen.ownSchedule(cluster, scheduled), m.backup(ctx, diags)).object()
	m.observe(cluster)
}

// observe takes over what only Kubernetes knows.
func (m *databaseModel) observe(cluster *cnpgv1.Cluster) {
	m.ID = types.StringValue(cnpg.KeyOf(cluster).String())
	m.Status = types.StringValue(string(statusOf(cluster)))
	m.Phase = nullIfEmpty(cluster.Status.Phase)
	m.Connection = connectionOf(cluster, m.DatabaseName, m.Owner)
	m.Archive = archiveOf(cluster)
	if m.Image.IsUnknown() { // the operator's choice
		m.Image = imageOf(cluster)
		m.PostgresVersion = imageVersion(m.Image.ValueString())
	}
}

// resourcesOf reads what is asked for. known tells that the model had it before, so that what is gone was removed.
func resourcesOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, known bool) types.Object {
	cpu := quantityType.null()
	if q, ok := cluster.Spec.Resources.Requests[corev1.ResourceCPU]; ok {
		cpu = quantityType.value(q.String())
	}
	return types.ObjectValueMust(resourcesTypes, map[string]attr.Value{
		"cpu":    cpu,
		"memory": memoryOf(cluster, fields, known),
	})
}

// memoryOf reads what is asked for. In a Cluster that the provider made the limit is the same; where somebody has changed
// one of the two, that one is what there is to put back, and where somebody has removed it, there is nothing.
func memoryOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, known bool) semanticString {
	request, asked := cluster.Spec.Resources.Requests[corev1.ResourceMemory]
	limit, limited := cluster.Spec.Resources.Limits[corev1.ResourceMemory]
	made := cnpg.Made(cluster)
	switch {
	case made && known && asked != limited:
		return quantityType.null()
	case made && limited && limit.Cmp(request) != 0 && fields.Ours("spec", "resources", "requests", "memory"):
		return quantityType.value(limit.String())
	case asked:
		return quantityType.value(request.String())
	}
	return quantityType.null()
}

// leaveLimit leaves the limit of memory to another manager that states one of its own in a Cluster that it made.
func leaveLimit(live, desired *cnpgv1.Cluster) {
	request, limit := live.Spec.Resources.Requests[corev1.ResourceMemory], live.Spec.Resources.Limits[corev1.ResourceMemory]
	if !cnpg.Made(live) && limit.Cmp(request) != 0 && len(cnpg.Fields(live).Others("spec", "resources", "limits", "memory")) > 0 {
		delete(desired.Spec.Resources.Limits, corev1.ResourceMemory)
	}
}

// keepMemory keeps the request or the limit of memory where somebody has removed the other one and the configuration leaves
// memory open: what is left open stays as it stands, although the attribute has no word for it.
func keepMemory(live, desired *cnpgv1.Cluster) {
	is, wanted, fields := live.Spec.Resources, desired.Spec.Resources, cnpg.Fields(live)
	request, asked := is.Requests[corev1.ResourceMemory]
	limit, limited := is.Limits[corev1.ResourceMemory]
	switch _, asks := wanted.Requests[corev1.ResourceMemory]; {
	case asks:
	case asked && !limited && fields.Ours("spec", "resources", "requests", "memory"):
		wanted.Requests[corev1.ResourceMemory] = request
	case limited && !asked && fields.Ours("spec", "resources", "limits", "memory"):
		wanted.Limits[corev1.ResourceMemory] = limit
	}
}

// parametersOf reads the parameters that somebody stated, or that were known before, out of those that CNPG completed.
func parametersOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.Map) types.Map {
	stated := fields.Entries(cluster.Spec.PostgresConfiguration.Parameters, "spec", "postgresql", "parameters")
	delete(stated, parameterArchiveTimeout) // the backup attribute has it
	return mapOr(andKnown(stated, cluster.Spec.PostgresConfiguration.Parameters, before), before)
}

// nullUnknowns makes a state of a plan: what is not known yet is null until it is.
func (m *databaseModel) nullUnknowns() {
	for _, s := range []*types.String{&m.ID, &m.Status, &m.Phase, &m.Image, &m.PostgresVersion} {
		nullUnknown(s)
	}
	if m.Connection.IsUnknown() {
		m.Connection = types.ObjectNull(connectionTypes)
	}
	if m.Archive.IsUnknown() {
		m.Archive = types.ObjectNull(archiveTypes)
	}
}

func nullUnknown(s *types.String) {
	if s.IsUnknown() {
		*s = types.StringNull()
	}
}
