package provider

import (
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// optionalField is a field of a Cluster's backups that a configuration may leave alone. What others set there is theirs
// then: it is no drift, and an apply could not remove it.
type optionalField struct {
	path  string
	clear func(*cnpgv1.Cluster)
}

const (
	retentionPolicyField = "spec.backup.retentionPolicy"
	barmanFields         = "spec.backup.barmanObjectStore."
)

var optionalFields = []optionalField{
	{retentionPolicyField, func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "" }},
	{barmanFields + "endpointURL", func(c *cnpgv1.Cluster) { cnpg.Archiver(c).EndpointURL = "" }},
	{barmanFields + "endpointCA", func(c *cnpgv1.Cluster) { cnpg.Archiver(c).EndpointCA = nil }},
	{barmanFields + "s3Credentials.region", func(c *cnpgv1.Cluster) { ofAWS(c).RegionReference = nil }},
	{barmanFields + "wal.compression", func(c *cnpgv1.Cluster) { ofWAL(c).Compression = "" }},
	{barmanFields + "wal.encryption", func(c *cnpgv1.Cluster) { ofWAL(c).Encryption = "" }},
	{barmanFields + "wal.maxParallel", func(c *cnpgv1.Cluster) { ofWAL(c).MaxParallel = 0 }},
	{barmanFields + "data.compression", func(c *cnpgv1.Cluster) { ofData(c).Compression = "" }},
	{barmanFields + "data.encryption", func(c *cnpgv1.Cluster) { ofData(c).Encryption = "" }},
	{barmanFields + "data.jobs", func(c *cnpgv1.Cluster) { ofData(c).Jobs = nil }},
}

// Those parts of a Cluster, or empty ones in their place.

func ofAWS(c *cnpgv1.Cluster) *cnpgv1.S3Credentials {
	if aws := cnpg.Archiver(c).AWS; aws != nil {
		return aws
	}
	return &cnpgv1.S3Credentials{}
}

func ofWAL(c *cnpgv1.Cluster) *cnpgv1.WalBackupConfiguration {
	if wal := cnpg.Archiver(c).Wal; wal != nil {
		return wal
	}
	return &cnpgv1.WalBackupConfiguration{}
}

func ofData(c *cnpgv1.Cluster) *cnpgv1.DataBackupConfiguration {
	if data := cnpg.Archiver(c).Data; data != nil {
		return data
	}
	return &cnpgv1.DataBackupConfiguration{}
}

// folderFields say where a Cluster archives.
var folderFields = []string{barmanFields + "destinationPath", barmanFields + "serverName"}

func oursAll(managed *cnpg.Managed, fields []string) bool {
	return !slices.ContainsFunc(fields, func(field string) bool { return !managed.Ours(strings.Split(field, ".")...) })
}

// ownedFields are the optional fields that are the provider's now, or were before: who changes one with kubectl becomes
// its owner.
func ownedFields(managed *cnpg.Managed, before []string) []string {
	var owned []string
	for _, field := range optionalFields {
		if slices.Contains(before, field.path) || managed.Ours(strings.Split(field.path, ".")...) {
			owned = append(owned, field.path)
		}
	}
	return owned
}

// view is the Cluster that was seen as the attributes of its backups stand for it: without what others have set in fields
// that were never the provider's. All but those is the Cluster's own, and not to be changed.
func (s archiveSeen) view(cluster *cnpgv1.Cluster) *cnpgv1.Cluster {
	if cnpg.Archiver(cluster) == nil {
		return cluster
	}
	view := *cluster
	view.Spec.Backup = cluster.Spec.Backup.DeepCopy()
	for _, field := range optionalFields {
		if !slices.Contains(s.Owned, field.path) {
			field.clear(&view)
		}
	}
	return &view
}

// warnForeignRetention tells of a retention policy that the configuration does not have: what others set is theirs, but it
// deletes backups.
func (b *backend) warnForeignRetention(cluster *cnpgv1.Cluster, seen archiveSeen, diags *diag.Diagnostics) {
	if cnpg.Archiver(cluster) == nil || cluster.Spec.Backup.RetentionPolicy == "" || slices.Contains(seen.Owned, retentionPolicyField) {
		return
	}
	key := cnpg.KeyOf(cluster)
	if _, told := b.warned.LoadOrStore("retention "+key.String(), true); told {
		return
	}
	whose := fmt.Sprintf("Cluster %s has spec.backup.retentionPolicy", key)
	if cnpg.MethodOf(cluster) == cnpg.MethodPlugin {
		whose = fmt.Sprintf("ObjectStore of the Cluster %s has spec.retentionPolicy", key)
	}
	diags.AddAttributeWarning(path.Root("backup").AtName("retention_days"), "Backups Are Deleted by a Policy of Others", paragraphs(
		fmt.Sprintf("The %s %q, which somebody else set: CNPG deletes base backups and WAL that are older, though retention_days is unset.",
			whose, cluster.Spec.Backup.RetentionPolicy),
		"To decide about it here, set backup.retention_days; to keep everything, remove the policy where it was set."))
}
