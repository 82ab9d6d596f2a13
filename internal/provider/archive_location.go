package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// require refuses backups for which the object store lacks what they need: at is the attribute that asks for them.
func (s *objectStore) require(at path.Path, diags *diag.Diagnostics) bool {
	if s.destinationPath == "" {
		diags.AddAttributeError(at, "No Object Store for Backups",
			"Backups need somewhere to go: set destination_path in the provider's object_store.")
	}
	if !s.pods.set() {
		diags.AddAttributeError(at, "No Keys for the Database Pods", paragraphs(
			"The database pods archive to S3 with keys of their own, and the provider has none to give them: keys from the environment, a profile, "+
				"an assumed role or with a session token expire, and archiving would stop with them.",
			"Set access_key_id and secret_access_key, pod_credentials or pod_iam_role_arn in the provider's object_store, or backup.credentials_secret."))
	}
	return s.destinationPath != "" && s.pods.set()
}

var serverNamePath = path.Root("backup").AtName("server_name")

// newArchive makes sure of the folder that a database begins to archive to: the one that is configured, which must be
// empty, or else the database's name where that folder is empty, or else the name with the time appended. Where S3 cannot be
// reached from here that is not seen, and said. It is an error when the bucket does not exist or refuses the keys.
func (b *backend) newArchive(ctx context.Context, store *objectStore, of cnpg.Key, configured, summary string, diags *diag.Diagnostics) (archiveLocation, bool) {
	location := archiveLocation{store: store, fingerprint: fingerprintOf(store.secretData(), ""), serverName: cmp.Or(configured, of.Name)}
	loc, err := archive.ParseDestinationPath(store.destinationPath)
	if err != nil {
		diags.AddError(summary, sentence(err))
		return location, false
	}
	client, err := b.s3Client(ctx, store)
	if err == nil {
		err = client.CheckLocation(ctx, loc)
	}
	var empty bool
	if err == nil {
		empty, err = client.ServerEmpty(ctx, loc, location.serverName)
	}
	switch {
	case err == nil && empty && b.reserve(store, location.serverName, of):
	case err == nil && configured != "":
		diags.AddAttributeError(serverNamePath, summary, paragraphs(folderTaken(loc, configured), "Nothing was changed."))
		return location, false
	case err == nil:
		location.serverName = b.freshServerName(store, of)
	case archive.Unreachable(err) && configured != "":
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			fmt.Sprintf("Whether the archive's folder %s is empty could not be seen; where it is not, archiving fails.", configured)))
	case archive.Unreachable(err):
		location.serverName = b.freshServerName(store, of)
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			"Whether the archive's folder is empty could not be seen, so a new one is used: "+location.serverName+"."))
	default:
		diags.AddError(summary, paragraphs(sentence(err), "Nothing was changed."))
		return location, false
	}
	return location, true
}

// refuseTakenFolder refuses, at plan, a configured folder that is not empty. What else is wrong with the store the apply
// will say: the bucket may be made by the same apply.
func (b *backend) refuseTakenFolder(ctx context.Context, store *objectStore, of cnpg.Key, server string, diags *diag.Diagnostics) {
	loc, err := archive.ParseDestinationPath(store.destinationPath)
	if err != nil {
		return
	}
	client, err := b.s3Client(ctx, store)
	if err != nil {
		diags.AddError("Unable to Plan Database", sentence(err))
		return
	}
	empty, err := client.ServerEmpty(ctx, loc, server)
	switch {
	case err == nil && (!empty || !b.reserve(store, server, of)):
		diags.AddAttributeError(serverNamePath, "Archive Folder Is Taken", paragraphs(folderTaken(loc, server), "Nothing was changed."))
	case archive.Unreachable(err):
		// One warning for each store, however many databases use it.
		if _, told := b.warned.LoadOrStore("unreachable "+client.Endpoint(), true); !told {
			diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
				"Whether the folders that server_name names are empty is checked when they are applied, if the store can be reached then."))
		}
	}
}

// isAnotherStore tells whether the pods reach another store than before, not the same one by another address: one in which
// nothing lies in the folder of the archive. Where that cannot be seen it counts as the same.
func (b *backend) isAnotherStore(ctx context.Context, store *objectStore, endpointBefore, server string) bool {
	if store.podEndpointURL == endpointBefore {
		return false
	}
	loc, err := archive.ParseDestinationPath(store.destinationPath)
	if err != nil {
		return false
	}
	client, err := b.s3Client(ctx, store)
	if err != nil {
		return false
	}
	empty, err := client.ServerEmpty(ctx, loc, server)
	return err == nil && empty
}

func folderTaken(loc archive.Location, server string) string {
	return fmt.Sprintf("The folder %s in %s is not empty, or another database of this configuration takes it: it may hold the archive of another database, or of one of the same name, "+
		"and two archives in one folder destroy each other. Choose another server_name, or leave it out.", server, loc)
}

// reserve takes a folder for a database of this run; false where another one has it.
func (b *backend) reserve(store *objectStore, server string, of cnpg.Key) bool {
	holder, taken := b.reserved.LoadOrStore(store.client.EndpointURL+"\x00"+store.destinationPath+"\x00"+server, of)
	return !taken || holder == of
}

// freshServerName is a folder name that no database had before, for a name whose own folder is taken.
func (b *backend) freshServerName(store *objectStore, of cnpg.Key) string {
	at := time.Now().UTC().Format("20060102t150405")
	fresh := of.Name + "-" + at
	for i := 2; !b.reserve(store, fresh, of); i++ {
		fresh = fmt.Sprintf("%s-%s-%d", of.Name, at, i)
	}
	return fresh
}

// errNoArchive: a database without backups was asked for them.
var errNoArchive = errors.New("the database archives nowhere")

// locationOf is the bucket and prefix that a Cluster archives to.
func locationOf(cluster *cnpgv1.Cluster) (archive.Location, error) {
	store := cnpg.Archiver(cluster)
	if store == nil {
		return archive.Location{}, errNoArchive
	}
	return archive.ParseDestinationPath(store.DestinationPath)
}

// sameLocation tells whether two destination paths name the same folder.
func sameLocation(a, b string) bool {
	x, errX := archive.ParseDestinationPath(a)
	y, errY := archive.ParseDestinationPath(b)
	return a == b || errX == nil && errY == nil && x == y
}
