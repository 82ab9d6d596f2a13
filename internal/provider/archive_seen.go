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
	// Folder is the one that was applied last. Only an apply that turns backups off forgets it: to archive there again is no
	// change of the configuration.
	Folder folder `json:"folder"`
	// Kept is what the pods have of what the configuration leaves open.
	Kept podReach `json:"kept"`
	// Due is the folder that the archive was to go on in, from before the apply on, until its base backup is there.
	Due *folder `json:"due,omitempty"`
	// SecretLeft is left where the pods need no Secret of the provider's any more and it is still there.
	SecretLeft bool `json:"secret_left,omitempty"`
	// ScheduleDrift are the fields of the ScheduledBackup that are to be put back.
	ScheduleDrift []string `json:"schedule_drift,omitempty"`
	// ScheduleLeft tells of a ScheduledBackup of a database that archives nowhere.
	ScheduleLeft bool `json:"schedule_left,omitempty"`
	// Owned are the optional fields that are, or were, the provider's.
	Owned  []string `json:"owned,omitempty"`
	Wiring wiring   `json:"wiring"`
}

// folder is where one archive lies.
type folder struct {
	DestinationPath string `json:"destination_path,omitempty"`
	ServerName      string `json:"server_name,omitempty"`
}

func folderOf(cluster *cnpgv1.Cluster) folder {
	store := cnpg.Archiver(cluster)
	if store == nil {
		return folder{}
	}
	return folder{DestinationPath: store.DestinationPath, ServerName: cnpg.ServerName(cluster)}
}

func (f folder) is(other folder) bool {
	return f.ServerName != "" && f.ServerName == other.ServerName && sameLocation(f.DestinationPath, other.DestinationPath)
}

// wiring are the fields of a Cluster by which its pods reach S3 and authenticate there: names of Secrets and keys, never
// their values.
type wiring struct {
	EndpointURL     string `json:"endpoint_url,omitempty"`
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
	w := wiring{EndpointURL: store.EndpointURL, CACertificate: named(store.EndpointCA)}
	if aws := store.AWS; aws != nil {
		w.AccessKeyID, w.SecretAccessKey, w.Region = named(aws.AccessKeyIDReference), named(aws.SecretAccessKeyReference), named(aws.RegionReference)
		w.InheritRole = aws.InheritFromIAMRole
	}
	if template := cluster.Spec.ServiceAccountTemplate; template != nil && w.InheritRole {
		w.RoleARN = template.Metadata.Annotations[cnpg.AnnotationRoleARN]
	}
	return w
}

// archiveApplied is what is kept of a Cluster that was just applied, for an archive in location.
func archiveApplied(cluster *cnpgv1.Cluster, location archiveLocation) archiveSeen {
	seen := archiveSeen{Applied: true, Folder: folderOf(cluster)}
	if cnpg.Archiver(cluster) != nil {
		seen.Owned = ownedFields(cluster, nil)
	}
	if location.store != nil {
		seen.Kept = location.store.kept
	}
	seen.Wiring = wiringOf(seen.view(cluster))
	return seen
}

// archiveRead is what is kept of a Cluster that was read: what was applied last stays known, also while the Cluster does not
// archive at all, which nobody has applied.
func archiveRead(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, before archiveSeen) archiveSeen {
	seen := archiveSeen{
		Applied: cnpg.Applied(cluster), Folder: folderOf(cluster),
		SecretLeft:    before.SecretLeft && cluster.Annotations[cnpg.AnnotationCredentials] == "",
		ScheduleDrift: scheduleDrift(cluster, scheduled),
	}
	if cnpg.Archiver(cluster) == nil {
		seen.Folder, seen.Kept, seen.Owned = before.Folder, before.Kept, before.Owned
		seen.ScheduleLeft = seen.Applied && scheduled != nil
		return seen
	}
	seen.Owned = ownedFields(cluster, before.Owned)
	seen.Wiring = wiringOf(seen.view(cluster))
	arrived := before.Due != nil && before.Due.is(seen.Folder) // by this apply, whether it was answered or not
	switch {
	case before.Folder.ServerName == "":
		seen.Kept = podReach{EndpointURL: seen.Wiring.EndpointURL, Region: cluster.Annotations[cnpg.AnnotationRegion]}
	case arrived:
		seen.Kept = before.Kept
	default:
		seen.Folder, seen.Kept = before.Folder, before.Kept
	}
	if arrived {
		seen.Due = before.Due
	}
	return seen
}

// applied tells whether the folder is the one that was applied last: to go back to it is no change of the configuration.
func (s archiveSeen) applied(store *objectStore, serverName string) bool {
	return s.Applied && s.Folder.is(folder{DestinationPath: store.destinationPath, ServerName: serverName})
}

// kept is what the pods have of what the configuration leaves open; nil for a database that has no archive yet.
func (s archiveSeen) kept() *podReach {
	if s.Folder.ServerName == "" {
		return nil
	}
	return &s.Kept
}

// wiredAs tells whether the pods reach S3 as they should. In a Cluster that the provider has never applied, region and
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
