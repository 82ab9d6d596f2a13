package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// checkTimeout bounds a check, so that a store which takes requests and does not answer them counts as unreachable
// before a reader loses patience.
const checkTimeout = 5 * time.Second

// CheckBucket makes sure that the bucket exists and can be listed. Otherwise the error is a *BucketNotFoundError
// (naming the buckets there are), *AccessDeniedError, *WrongRegionError, *CredentialsError or *UnreachableError.
func (c *Client) CheckBucket(ctx context.Context, bucket string) error {
	return c.CheckLocation(ctx, Location{Bucket: bucket})
}

// CheckLocation is CheckBucket for an identity that may list only under the location's prefix. The prefix itself
// need not exist.
func (c *Client) CheckLocation(ctx context.Context, loc Location) error {
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// A listing needs the same right as HeadBucket and, unlike it, is answered with an error that says what is wrong.
	_, err := c.list(bounded, listing{bucket: loc.Bucket, prefix: loc.folder(), max: 1, attempts: checkAttempts})
	return err
}

// buckets lists what the identity can see; true where it may not.
func (c *Client) buckets(ctx context.Context) ([]string, bool) {
	out, err := c.s3.ListBuckets(ctx, &s3.ListBucketsInput{}, func(o *s3.Options) { o.RetryMaxAttempts = checkAttempts })
	if err != nil {
		return nil, true
	}
	names := make([]string, len(out.Buckets))
	for i, b := range out.Buckets {
		names[i] = aws.ToString(b.Name)
	}
	slices.Sort(names)
	return names, false
}

// ServerEmpty tells whether nothing at all lies in the server's folder. It costs one small request.
func (c *Client) ServerEmpty(ctx context.Context, loc Location, server string) (bool, error) {
	p, err := c.list(ctx, listing{bucket: loc.Bucket, prefix: loc.server(server), max: 1})
	if err != nil {
		return false, fmt.Errorf("looking into the archive folder of %s in %s: %w", server, loc, err)
	}
	return len(p.objects) == 0 && len(p.folders) == 0, nil
}

// HasSegment tells whether a WAL segment, named without suffix, has been archived whole, compressed or not. An object
// of zero bytes does not count.
func (c *Client) HasSegment(ctx context.Context, loc Location, server, segment string) (bool, error) {
	file, ok := recovery.ParseWALFile(segment)
	if !ok || file.Kind != recovery.WALSegment || file.Suffix != "" {
		return false, fmt.Errorf("looking for WAL in the archive of %s: %q is no WAL segment name", server, segment)
	}
	key := loc.wals(server) + segment[:16] + "/" + segment
	p, err := c.listAll(ctx, listing{bucket: loc.Bucket, prefix: key})
	if err != nil {
		return false, fmt.Errorf("looking for WAL segment %s in the archive of %s in %s: %w", segment, server, loc, err)
	}
	return slices.ContainsFunc(p.objects, func(o object) bool {
		suffix := strings.TrimPrefix(o.key, key)
		return o.bytes > 0 && (suffix == "" || slices.Contains(recovery.CompressionSuffixes(), suffix))
	}), nil
}
