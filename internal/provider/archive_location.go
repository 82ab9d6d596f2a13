package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
// empty, or else the database's name where that folder is empty, or else the name with the time appended, but none of the
// folders that it leaves. Where S3 cannot be reached from here what lies there is not seen, and that is said. It is an error
// when the bucket does not exist or refuses the keys.
func (b *backend) newArchive(ctx context.Context, store *objectStore, of cnpg.Key, configured, summary string, diags *diag.Diagnostics, leaves ...string) (archiveLocation, bool) {
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
	fresh := func() string {
		return b.freshServerName(store, loc, of, func(name string) bool {
			if slices.Contains(leaves, name) {
				return false
			}
			empty, err := client.ServerEmpty(ctx, loc, name)
			return err != nil || empty // what cannot be seen is not known to be taken
		})
	}
	switch {
	case err == nil && empty && !slices.Contains(leaves, location.serverName) && b.reserve(store, loc, location.serverName, of):
	case err == nil && configured != "":
		diags.AddAttributeError(serverNamePath, summary, paragraphs(folderTaken(loc, configured), "Nothing was changed."))
		return location, false
	case err == nil:
		location.serverName = fresh()
	case archive.Unreachable(err) && configured != "":
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			fmt.Sprintf("Whether the archive's folder %s is empty could not be seen; where it is not, archiving fails.", configured)))
	case archive.Unreachable(err):
		location.serverName = b.freshServerName(store, loc, of, func(name string) bool { return !slices.Contains(leaves, name) })
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			"Whether the archive's folder is empty could not be seen, so a new one is used: "+location.serverName+"."))
	default:
		diags.AddAttributeError(path.Root("backup"), summary, paragraphs(
			fmt.Sprintf("backup: looking into the folder %s in %s, which the database would archive to: %s", location.serverName, loc, ended(err)),
			refusedIdentity(err), "Nothing was changed."))
		return location, false
	}
	return location, true
}

// refusedIdentity says whose keys a store has refused that Terraform asked; "" of other errors.
func refusedIdentity(err error) string {
	var credentials *archive.CredentialsError
	var denied *archive.AccessDeniedError
	if !errors.As(err, &credentials) && !errors.As(err, &denied) {
		return ""
	}
	return "S3 was asked with the identity that the provider's object_store has, or backup.object_store (profile, assume_role), or else the environment."
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
	case err == nil && (!empty || !b.reserve(store, loc, server, of)):
		diags.AddAttributeError(serverNamePath, "Archive Folder Is Taken", paragraphs(folderTaken(loc, server), "Nothing was changed."))
	case archive.Unreachable(err):
		b.warnUnreachable(client, err, "Whether the folders that server_name names are empty is checked when they are applied, if the store can be reached then.", diags)
	}
}

// warnUnreachable tells at plan of a store that cannot be reached from here: once, however many databases use it.
func (b *backend) warnUnreachable(client *archive.Client, err error, text string, diags *diag.Diagnostics) {
	if _, told := b.warned.LoadOrStore("unreachable "+client.Endpoint(), true); !told {
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err), text))
	}
}

// foreignArchiveError is a folder that has the archive of another database.
type foreignArchiveError struct {
	folder     string
	has, wants string // system identifiers
}

func (e *foreignArchiveError) Error() string {
	return fmt.Sprintf("the folder %s holds the archive of another database, whose system identifier is %s, while this one has %s: two archives in one folder destroy each other",
		e.folder, e.has, e.wants)
}

// findArchive looks for a database's own archive in a folder that it has not archived to until now, or not in this store:
// empty tells that nothing lies there. What another database has archived there is a [foreignArchiveError]. What cannot be
// seen counts as the database's own.
func (b *backend) findArchive(ctx context.Context, location archiveLocation, systemID string) (empty bool, err error) {
	loc, err := archive.ParseDestinationPath(location.store.destinationPath)
	if err != nil {
		return false, err
	}
	client, err := b.s3Client(ctx, location.store)
	if err != nil {
		return false, err
	}
	if empty, err := client.ServerEmpty(ctx, loc, location.serverName); err != nil || empty {
		return empty, nil //nolint:nilerr // it cannot be seen
	}
	has, err := client.SystemID(ctx, loc, location.serverName)
	if err == nil && has != "" && systemID != "" && has != systemID {
		return false, &foreignArchiveError{folder: fmt.Sprintf("%s in %s at %s", location.serverName, loc, client.Endpoint()), has: has, wants: systemID}
	}
	return false, nil
}

func folderTaken(loc archive.Location, server string) string {
	return fmt.Sprintf("%s: the folder %s in %s is not empty, or another database of this configuration takes it: it may hold the archive of another database, or of one of the same name, "+
		"and two archives in one folder destroy each other. Choose another server_name, or leave it out.", serverNamePath, server, loc)
}

// reserve takes a folder for a database of this run; false where another one has it.
func (b *backend) reserve(store *objectStore, loc archive.Location, server string, of cnpg.Key) bool {
	holder, taken := b.reserved.LoadOrStore(store.client.EndpointURL+"\x00"+loc.String()+"\x00"+server, of)
	return !taken || holder == of
}

// freshServerName is a folder name for a database whose own folder is taken: one that no database had before, and that is
// free.
func (b *backend) freshServerName(store *objectStore, loc archive.Location, of cnpg.Key, free func(name string) bool) string {
	at := time.Now().UTC().Format("20060102t150405")
	fresh := of.Name + "-" + at
	for i := 2; !free(fresh) || !b.reserve(store, loc, fresh, of); i++ {
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

// openArchive is the archive that a Cluster writes, as this machine reaches it.
func (b *backend) openArchive(ctx context.Context, cluster *cnpgv1.Cluster) (*archive.Client, archive.Location, error) {
	client, err := b.s3Client(ctx, b.storeOf(cluster))
	if err != nil {
		return nil, archive.Location{}, err
	}
	loc, err := locationOf(cluster)
	return client, loc, err
}

// sameLocation tells whether two destination paths name the same folder.
func sameLocation(a, b string) bool {
	x, errX := archive.ParseDestinationPath(a)
	y, errY := archive.ParseDestinationPath(b)
	return a == b || errX == nil && errY == nil && x == y
}
