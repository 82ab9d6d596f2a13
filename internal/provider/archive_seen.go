package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// archiveSeen is what was seen of a database's archive beside its attributes: by it a plan finds drift in fields that no
// attribute shows, and what an apply has left to do. A refresh leaves it as private data. All of it stands in the Cluster;
// only what somebody has changed there is known from what was left before.
type archiveSeen struct {
	// Of is the UID of the Cluster; "" where none was looked at.
	Of types.UID `json:"of,omitempty"`
	// Applied tells whether the provider has ever applied the Cluster.
	Applied bool `json:"applied,omitempty"`
	// SystemID is PostgreSQL's identifier of the database, which its base backups tell too; "" where it is not known.
	SystemID string `json:"system_id,omitempty"`
	// Folder is the one that was applied last. Only an apply that turns backups off forgets it: to archive there again is no
	// change of the configuration.
	Folder folder `json:"folder"`
	// Kept is what the pods have of what the configuration leaves open.
	Kept podReach `json:"kept"`
	// AdoptedSchedule tells that the ScheduledBackup is the database's own although somebody else made it: it was there when the
	// Cluster archived. It goes with the backups.
	AdoptedSchedule bool `json:"adopted_schedule,omitempty"`
	// Repairs tell what an update puts right that no attribute shows, in a sentence each.
	Repairs []string `json:"repairs,omitempty"`
	// Later tells what is to be done and no update can do while the database hibernates, so that it is no change of a plan.
	Later string `json:"later,omitempty"`
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

// seeArchive looks at the archive of a Cluster as it stands; scheduled is its ScheduledBackup, nil where there is none or
// nobody asks. before is what was left by the last look, also at a Cluster of the same name that is gone: it tells what
// somebody has changed since.
func (b *backend) seeArchive(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, before archiveSeen) archiveSeen {
	if before.Of != cluster.UID {
		before = archiveSeen{}
	}
	seen := archiveSeen{
		Of: cluster.UID, Applied: cnpg.Applied(cluster), SystemID: cluster.Status.SystemID,
		Folder: before.Folder, Kept: before.Kept, Owned: before.Owned, AdoptedSchedule: before.AdoptedSchedule,
	}
	seen.Repairs = repairs(cluster, seen.ownSchedule(cluster, scheduled))
	if owesBaseBackup(cluster) && cnpg.Hibernates(cluster) {
		seen.Later = owedLater(cluster)
	}
	if cnpg.Archiver(cluster) == nil { // which nobody has applied, where there is a folder
		return seen
	}
	seen.AdoptedSchedule = seen.AdoptedSchedule || scheduled != nil && !cnpg.Applied(scheduled)
	managed := cnpg.Fields(cluster)
	seen.Owned = ownedFields(managed, before.Owned)
	// Who changes the folder becomes the owner of what they change. What is still the provider's was applied last, whether
	// anybody has noted that or not.
	if before.Folder.ServerName == "" || oursAll(managed, folderFields) {
		seen.Folder = folderOf(cluster)
	}
	seen.Kept = b.keptBy(cluster)
	seen.Wiring = wiringOf(seen.view(cluster))
	return seen
}

// ownSchedule is the ScheduledBackup of a Cluster; nil where that of a Cluster that archives nowhere was never the database's.
func (s archiveSeen) ownSchedule(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup) *cnpgv1.ScheduledBackup {
	if scheduled == nil || cnpg.Archiver(cluster) != nil || cnpg.Schedules(scheduled, cnpg.KeyOf(cluster)) && (s.hasAdopted(cluster) || cnpg.Applied(scheduled)) {
		return scheduled
	}
	return nil
}

// hasAdopted tells whether the ScheduledBackup of a Cluster is the database's own, whoever made it.
func (s archiveSeen) hasAdopted(cluster *cnpgv1.Cluster) bool {
	return s.AdoptedSchedule || cnpg.IsUnfinished(cluster, cnpg.ScheduleRemoval)
}

// keptBy is what a Cluster that archives has of what the configuration leaves open. What others gave it in a Cluster that the
// provider has never applied is taken for configured, unless the environment says the same.
func (b *backend) keptBy(cluster *cnpgv1.Cluster) podReach {
	var kept podReach
	if cnpg.Applied(cluster) {
		if text := cluster.Annotations[cnpg.AnnotationKept]; text != "" && json.Unmarshal([]byte(text), &kept) != nil {
			return podReach{} // what cannot be read says nothing
		}
		return kept
	}
	if b != nil && b.store != nil && b.store.podEndpointURL == "" && cnpg.Archiver(cluster).EndpointURL == b.store.environment.EndpointURL {
		kept.EndpointURL = b.store.environment.EndpointURL
	}
	return kept
}

// archiveInState is what the state alone tells of an archive, where nobody has left what was seen of it.
func (b *backend) archiveInState(state *databaseModel) archiveSeen {
	seen := archiveSeen{Applied: true}
	if state.Archive.IsNull() {
		return seen
	}
	seen.Folder = folder{DestinationPath: archivePart(state, "destination_path").ValueString(), ServerName: archivePart(state, "server_name").ValueString()}
	seen.Wiring.EndpointURL = archivePart(state, "endpoint_url").ValueString()
	if b.store != nil {
		seen.Kept = b.store.environment
	}
	return seen
}

// repairs are what an update puts right in a Cluster and its ScheduledBackup that no attribute shows.
func repairs(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup) []string {
	var told []string
	tell := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	key, archives := cnpg.KeyOf(cluster), cnpg.Archiver(cluster) != nil
	if lacksOriginSecret(cluster) {
		tell("The creation of this restore was cut off before the Secret %s/%s was there, with which its pods read the archive%s. This update writes it, and the restore goes on.",
			key.Namespace, originSecretName(key.Name), orItsStore(cluster))
	}
	for _, name := range cnpg.MissingStores(cluster) {
		if cnpg.MendsStore(cluster, name) {
			tell("%s This update puts that right.", missingStore(key, name))
		}
	}
	if cnpg.MendsOrigin(cluster) {
		tell("CloudNativePG knows no Barman Cloud plugin, and does nothing for the database, not even a failover, because its Cluster names the plugin for the archive that it was restored from. " +
			"This update names that without the plugin.")
	}
	drift := cnpg.StoreDrift(cluster)
	for _, name := range slices.Sorted(maps.Keys(drift)) {
		tell("Somebody has changed %s of the ObjectStore %s/%s. This update puts it back.", strings.Join(drift[name], ", "), key.Namespace, name)
	}
	switch {
	case archives:
		told = append(told, scheduleDrift(cluster, scheduled)...)
	case cnpg.Applied(cluster) && scheduled != nil:
		tell("The ScheduledBackup %s of a database that archives nowhere is still there. This update removes it.", key)
	}
	if owesBaseBackup(cluster) {
		if cnpg.Hibernates(cluster) { // nor is anything else of the note done before
			return told
		}
		tell("The base backup that the archive begins with is still to be taken; until it is there, nothing in the folder can be restored. This update takes it, unless the schedule has done so since; " +
			"with wait = false it takes it only if the pods are ready for it by then.")
	}
	if cnpg.IsUnfinished(cluster, cnpg.SecretRemoval) && cluster.Annotations[cnpg.AnnotationCredentials] == "" {
		tell("The Secret %s/%s with S3 keys, which the database no longer uses, is still there. This update removes it.", key.Namespace, cnpg.CredentialsSecretName(key.Name))
	}
	if cnpg.IsUnfinished(cluster, cnpg.StoreRemoval) {
		for _, name := range cnpg.StoresLeft(cluster) {
			tell("The ObjectStore %s/%s, which the database no longer uses, is still there. This update removes it.", key.Namespace, name)
		}
	}
	return told
}

// missingStore tells of an ObjectStore that a Cluster names and that is not there.
func missingStore(key cnpg.Key, name string) string {
	return fmt.Sprintf("The ObjectStore %s/%s, which the Cluster %s names, is not there: the Barman Cloud plugin has CloudNativePG do nothing for the database, "+
		"not even a failover, for as long as it is missing.", key.Namespace, name, key.Name)
}

// warnMissingStores tells of ObjectStores of others that are not there, which no update of the provider's makes.
func (b *backend) warnMissingStores(cluster *cnpgv1.Cluster, diags *diag.Diagnostics) {
	key := cnpg.KeyOf(cluster)
	for _, name := range cnpg.MissingStores(cluster) {
		if _, told := b.warned.LoadOrStore("store "+key.String()+" "+name, true); !told && !cnpg.MendsStore(cluster, name) {
			diags.AddWarning("ObjectStore Missing", missingStore(key, name)+" Whoever made it has to make it anew; what it says of the archive does not matter any more, if the database is restored from it already.")
		}
	}
}

// orItsStore names what else a restore may lack by which the Barman Cloud plugin reads the archive.
func orItsStore(cluster *cnpgv1.Cluster) string {
	if cnpg.OriginMethod(cluster, originName) != cnpg.MethodPlugin {
		return ""
	}
	return fmt.Sprintf(", or the ObjectStore %s", cnpg.OriginStoreName(cluster.Name))
}

// owesBaseBackup tells whether the base backup is still to be taken that the archive of a Cluster begins with.
func owesBaseBackup(cluster *cnpgv1.Cluster) bool {
	return cnpg.Archiver(cluster) != nil && cnpg.IsUnfinished(cluster, cnpg.BaseBackup)
}

// owedLater says of a database that hibernates that its base backup has to wait: CNPG lets one of it fail at once.
func owedLater(cluster *cnpgv1.Cluster) string {
	key := cnpg.KeyOf(cluster)
	return fmt.Sprintf("The database %s hibernates, so the base backup that its archive begins with in the folder %s cannot be taken. Until it is there, nothing in the folder can be restored. "+
		"The apply that wakes the database takes it, or the first one after it was woken with kubectl annotate cluster %s -n %s %s=off --overwrite.",
		key, cnpg.ServerName(cluster), key.Name, key.Namespace, cnpg.AnnotationHibernation)
}

// noteOwed notes in a Cluster that is made to hibernate at once the base backup that its schedule would begin with, and tells of it:
// CNPG lets the pods go as soon as they are ready, and a base backup fail that has not begun by then.
func noteOwed(cluster *cnpgv1.Cluster, backup *backupSettings, diags *diag.Diagnostics) {
	if cnpg.Hibernates(cluster) && backup.schedules() && backup.Immediate.ValueBool() {
		cnpg.NoteUnfinished(cluster, cnpg.BaseBackup)
		warnOwedLater(owedLater(cluster), diags)
	}
}

// owedToPods says of a database that nobody waits for that its base backup has to: CNPG lets one fail that comes before the pods have
// what the Barman Cloud plugin needs in them.
func owedToPods(cluster *cnpgv1.Cluster) string {
	return fmt.Sprintf("The base backup that the archive of the database %s begins with in the folder %s is not taken yet: the pods have to change for the Barman Cloud plugin first, "+
		"and wait = false does not wait for that. Until it is there, nothing in the folder can be restored. The next apply takes it, if they have changed by then.", cnpg.KeyOf(cluster), cnpg.ServerName(cluster))
}

func warnOwedLater(text string, diags *diag.Diagnostics) {
	diags.AddAttributeWarning(path.Root("backup"), "Base Backup Still To Be Taken", text)
}

// warnRepairs tells of them, and of what has to wait.
func (s archiveSeen) warnRepairs(diags *diag.Diagnostics) {
	if len(s.Repairs) > 0 {
		diags.AddAttributeWarning(path.Root("backup"), "Repairs That No Attribute Shows", paragraphs(s.Repairs...))
	}
	if s.Later != "" {
		warnOwedLater(s.Later, diags)
	}
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
// certificate may come from anywhere; where none was looked at, nothing else is known.
func (s archiveSeen) wiredAs(want wiring) bool {
	if !s.Applied {
		want.Region, want.CACertificate = s.Wiring.Region, s.Wiring.CACertificate
	}
	return s.Of == "" || s.Wiring == want
}

const privateArchive = "archive"

func (s archiveSeen) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	leavePrivate(ctx, private, privateArchive, s, diags)
}

// seenArchive is what was left; nothing where that cannot be read.
func seenArchive(ctx context.Context, private privateState, diags *diag.Diagnostics) archiveSeen {
	seen, _ := keptPrivate[archiveSeen](ctx, private, privateArchive, diags)
	return seen
}
