package provider

import (
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

// requireArchive refuses backups for which the provider's object store lacks what they need: at is the attribute that
// asks for them.
func (b *backend) requireArchive(at path.Path, diags *diag.Diagnostics) {
	if b.store.destinationPath == "" {
		diags.AddAttributeError(at, "No Object Store for Backups",
			"Backups need somewhere to go: set destination_path in the provider's object_store.")
	}
	if !b.store.podKeys.set() {
		diags.AddAttributeError(at, "No Keys for the Database Pods", paragraphs(
			"The database pods archive to S3 with keys of their own, and the provider has none to give them: keys from the environment, a profile, "+
				"an assumed role or with a session token expire, and archiving would stop with them.",
			"Set access_key_id and secret_access_key, or pod_credentials, in the provider's object_store."))
	}
}

// newArchive chooses the folder that a new database archives to: its name where that folder is empty, else the name with
// the time appended. Where S3 cannot be reached from here the time is appended unseen, with a warning. It is an error
// when the bucket does not exist or refuses the keys.
func (b *backend) newArchive(ctx context.Context, name, summary string, diags *diag.Diagnostics) (archiveLocation, bool) {
	location := archiveLocation{
		store:       b.store,
		fingerprint: fingerprintOf(b.store.podKeys, b.store.region, ""),
	}
	loc, err := archive.ParseDestinationPath(b.store.destinationPath)
	if err != nil {
		diags.AddError(summary, sentence(err))
		return location, false
	}
	client, err := b.s3Client(ctx)
	if err == nil {
		err = client.CheckBucket(ctx, loc.Bucket)
	}
	var empty bool
	if err == nil {
		empty, err = client.ServerEmpty(ctx, loc, name)
	}
	switch {
	case err == nil && empty && b.reserve(name):
		location.serverName = name
	case err == nil:
		location.serverName = b.freshServerName(name)
	case archive.Unreachable(err):
		location.serverName = b.freshServerName(name)
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			"Whether the archive's folder is empty could not be seen, so a new one is used: "+location.serverName+"."))
	default:
		diags.AddError(summary, paragraphs(sentence(err), "Nothing was created."))
		return location, false
	}
	return location, true
}

// reserve takes a folder for a database of this run; false where another one has it.
func (b *backend) reserve(server string) bool {
	_, taken := b.reserved.LoadOrStore(b.store.destinationPath+"\x00"+server, true)
	return !taken
}

// freshServerName is a folder name that no database had before, for a name whose own folder is taken.
func (b *backend) freshServerName(name string) string {
	fresh := name + "-" + time.Now().UTC().Format("20060102t150405")
	for i := 2; !b.reserve(fresh); i++ {
		fresh = fmt.Sprintf("%s-%s-%d", name, time.Now().UTC().Format("20060102t150405"), i)
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
