package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
)

// archiveServers are the archives that lie in one place, or the right that is missing to see them.
type archiveServers struct {
	names   []string
	refused *archive.AccessDeniedError
}

// serversIn lists the archives in a place. That the identity may not is no error: it may have the right to read one of them.
func serversIn(ctx context.Context, client *archive.Client, loc archive.Location) (archiveServers, error) {
	var found archiveServers
	names, err := client.Servers(ctx, loc)
	if errors.As(err, &found.refused) {
		return found, nil
	}
	found.names = append([]string{}, names...) // an empty list in Terraform, not null
	return found, err
}

// listBeside lists an archive, and meanwhile the archives that lie beside it. Where both fail, the archive itself was asked for.
func listBeside(ctx context.Context, client *archive.Client, loc archive.Location, server string, query archive.Query) (*archive.Listing, archiveServers, error) {
	beside, cancel := context.WithCancel(ctx)
	defer cancel()
	var servers archiveServers
	var unlisted error
	done := make(chan struct{})
	go func() {
		defer close(done)
		servers, unlisted = serversIn(beside, client, loc)
	}()
	listing, err := client.List(ctx, loc, server, query)
	if err != nil {
		cancel()
	}
	<-done
	if err == nil {
		err = unlisted
	}
	return listing, servers, err
}

// value is the attribute servers.
func (s archiveServers) value(ctx context.Context, diags *diag.Diagnostics) types.List {
	if s.refused != nil {
		return types.ListNull(types.StringType)
	}
	list, d := types.ListValueFrom(ctx, types.StringType, s.names)
	diags.Append(d...)
	return list
}

// warn tells why servers is null.
func (s archiveServers) warn(diags *diag.Diagnostics) {
	if s.refused != nil {
		diags.AddWarning("Servers Not Listed", paragraphs(sentence(s.refused), "The archive itself was read; servers is null."))
	}
}

// lacks is the error where an archive is not there.
func (s archiveServers) lacks(loc archive.Location, name string) string {
	missing := fmt.Sprintf("object_store.server_name: there is no archive %s in %s", name, loc)
	switch {
	case s.refused != nil:
		return fmt.Sprintf("%s. Which there are cannot be told: %s", missing, ended(s.refused))
	case len(s.names) == 0:
		return missing + ", nor any other."
	}
	return fmt.Sprintf("%s. There are: %s.", missing, strings.Join(s.names, ", "))
}
