package provider

import (
	"context"
	"encoding/json"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// archiveSeen is what the state keeps of a database's archive beside its attributes, as private data: by it a plan finds
// drift in fields that no attribute shows, and a base backup that is still to be taken.
type archiveSeen struct {
	// Applied tells whether the provider has ever applied the Cluster.
	Applied bool `json:"applied"`
	// DestinationPath and ServerName are the folder that was applied last.
	DestinationPath string `json:"destination_path,omitempty"`
	ServerName      string `json:"server_name,omitempty"`
	// BackupDue is left where the folder was changed and its first base backup not begun.
	BackupDue bool `json:"backup_due,omitempty"`
	// SecretLeft is left where the pods need no Secret of the provider's any more and it is still there.
	SecretLeft bool `json:"secret_left,omitempty"`
	// ScheduleDrift are the fields of the ScheduledBackup that are to be put back.
	ScheduleDrift []string `json:"schedule_drift,omitempty"`
	// Owned are the optional fields that are, or were, the provider's.
	Owned  []string `json:"owned,omitempty"`
	Wiring wiring   `json:"wiring"`
}

// wiring are the fields of a Cluster by which its pods authenticate to S3: names of Secrets and keys, never their values.
type wiring struct {
	AccessKeyID     string `json:"access_key_id,omitempty"`
	SecretAccessKey string `json:"secret_access_key,omitempty"`
	Region          string `json:"region,omitempty"`
	CACertificate   string `json:"ca_certificate,omitempty"`
	InheritRole     bool   `json:"inherit_role,omitempty"`
	RoleARN         string `json:"role_arn,omitempty"`
}

func wiringOf(cluster *cnpgv1.Cluster) wiring {
	store := cnpg.Archiver(cluster)
	if store == nil {
		return wiring{}
	}
	named := func(s *cnpgv1.SecretKeySelector) string {
		if s == nil {
			return ""
		}
		return s.Name + "/" + s.Key
	}
	w := wiring{CACertificate: named(store.EndpointCA)}
	if aws := store.AWS; aws != nil {
		w.AccessKeyID, w.SecretAccessKey, w.Region = named(aws.AccessKeyIDReference), named(aws.SecretAccessKeyReference), named(aws.RegionReference)
		w.InheritRole = aws.InheritFromIAMRole
	}
	if template := cluster.Spec.ServiceAccountTemplate; template != nil && w.InheritRole {
		w.RoleARN = template.Metadata.Annotations[cnpg.AnnotationRoleARN]
	}
	return w
}

// archiveApplied is what is kept of a Cluster that was just applied.
func archiveApplied(cluster *cnpgv1.Cluster) archiveSeen {
	seen := archiveSeen{Applied: true}
	if store := cnpg.Archiver(cluster); store != nil {
		seen.DestinationPath, seen.ServerName = store.DestinationPath, cnpg.ServerName(cluster)
		seen.Owned = ownedFields(cluster, nil)
	}
	seen.Wiring = wiringOf(seen.view(cluster))
	return seen
}

// archiveRead is what is kept of a Cluster that was read: what was applied last stays known.
func archiveRead(cluster *cnpgv1.Cluster, before archiveSeen) archiveSeen {
	seen := archiveApplied(cluster)
	seen.Applied = cnpg.Applied(cluster)
	seen.SecretLeft = before.SecretLeft
	if cnpg.Archiver(cluster) == nil {
		return seen
	}
	seen.BackupDue = before.BackupDue
	seen.Owned = ownedFields(cluster, before.Owned)
	seen.Wiring = wiringOf(seen.view(cluster))
	if before.ServerName != "" {
		seen.DestinationPath, seen.ServerName = before.DestinationPath, before.ServerName
	}
	return seen
}

// applied tells whether the folder is the one that was applied last: to go back to it is no change of the configuration.
func (s archiveSeen) applied(store *objectStore, serverName string) bool {
	return s.Applied && s.ServerName == serverName && sameLocation(s.DestinationPath, store.destinationPath)
}

// wiredAs tells whether the pods authenticate as they should. In a Cluster that the provider has never applied, region and
// certificate may come from anywhere.
func (s archiveSeen) wiredAs(want wiring) bool {
	if !s.Applied {
		want.Region, want.CACertificate = s.Wiring.Region, s.Wiring.CACertificate
	}
	return s.Wiring == want
}

const privateArchive = "archive"

func (s archiveSeen) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	value, err := json.Marshal(s)
	if err != nil {
		diags.AddError("Unable to Keep What Was Seen of the Archive", sentence(err))
		return
	}
	diags.Append(private.SetKey(ctx, privateArchive, value)...)
}

// seenArchive is what was left; ok is false where nothing was.
func seenArchive(ctx context.Context, private privateState, diags *diag.Diagnostics) (seen archiveSeen, ok bool) {
	value, d := private.GetKey(ctx, privateArchive)
	diags.Append(d...)
	return seen, len(value) > 0 && json.Unmarshal(value, &seen) == nil
}
