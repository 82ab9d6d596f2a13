package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/singleflight"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// concurrency is how many requests of one read run at the same time, and pageSize the most keys that S3 puts into
// one answer.
const (
	concurrency = 16
	pageSize    = 1000
)

// Client reads archives in one S3 store with one identity. It is safe for concurrent use.
type Client struct {
	s3       *s3.Client
	endpoint string
	region   string
	roleARN  string

	reads  singleflight.Group
	shared sync.Map // archive key to *recovery.Catalog, see SharedCatalog

	ended    endedBackups
	archives sync.Map // folders that are archives, see Servers
}

var _ fmt.GoStringer = (*Client)(nil)

// String tells where the client points, without its secrets.
func (c *Client) String() string { return fmt.Sprintf("S3 client for %s in %s", c.endpoint, c.region) }

// GoString is String: %#v would print the secrets.
func (c *Client) GoString() string { return c.String() }

// Endpoint is the address that the client calls, or "Amazon S3".
func (c *Client) Endpoint() string { return c.endpoint }

// Region is the region that requests are signed for.
func (c *Client) Region() string { return c.region }

// object is one key of a listing.
type object struct {
	key      string
	bytes    int64
	modified time.Time
}

// page is one answer to a listing.
type page struct {
	objects []object
	folders []string // with the slash behind them
	next    string   // continuation token, "" at the end
}

// listing says what to list.
type listing struct {
	bucket     string
	prefix     string
	delimiter  string
	startAfter string
	max        int32 // 0: as many as S3 gives at once
	token      string
	attempts   int // 0: as many as the client makes
}

// list gets one page.
func (c *Client) list(ctx context.Context, l listing) (page, error) {
	out, err := c.listObjects(ctx, l, "")
	// Keys may hold characters that XML cannot, and are then asked for in URL encoding. That is not done at once since
	// LocalStack compares StartAfter with the encoded keys and leaves out those that are not plain ASCII.
	var garbled *smithy.DeserializationError
	var stalled *stalledError
	if errors.As(err, &garbled) && !errors.As(err, &stalled) {
		out, err = c.listObjects(ctx, l, types.EncodingTypeUrl)
	}
	if err != nil {
		return page{}, c.explain(ctx, err, "s3:ListBucket", l.bucket, "s3://"+l.bucket+"/"+l.prefix)
	}
	decode := aws.ToString
	if out.EncodingType == types.EncodingTypeUrl {
		decode = func(s *string) string {
			if plain, err := url.QueryUnescape(aws.ToString(s)); err == nil {
				return plain
			}
			return aws.ToString(s)
		}
	}
	p := page{objects: make([]object, len(out.Contents)), folders: make([]string, len(out.CommonPrefixes))}
	for i, o := range out.Contents {
		p.objects[i] = object{key: decode(o.Key), bytes: aws.ToInt64(o.Size), modified: aws.ToTime(o.LastModified)}
	}
	for i, f := range out.CommonPrefixes {
		p.folders[i] = decode(f.Prefix)
	}
	if aws.ToBool(out.IsTruncated) {
		p.next = aws.ToString(out.NextContinuationToken)
	}
	return p, nil
}

func (c *Client) listObjects(ctx context.Context, l listing, encoding types.EncodingType) (*s3.ListObjectsV2Output, error) {
	in := &s3.ListObjectsV2Input{Bucket: aws.String(l.bucket), EncodingType: encoding}
	if l.prefix != "" {
		in.Prefix = aws.String(l.prefix)
	}
	if l.delimiter != "" {
		in.Delimiter = aws.String(l.delimiter)
	}
	if l.max > 0 {
		in.MaxKeys = aws.Int32(l.max)
	}
	if l.token != "" {
		in.ContinuationToken = aws.String(l.token)
	} else if l.startAfter != "" {
		in.StartAfter = aws.String(l.startAfter)
	}
	return c.s3.ListObjectsV2(ctx, in, func(o *s3.Options) { o.RetryMaxAttempts = cmp.Or(l.attempts, o.RetryMaxAttempts) })
}

// listAll gets all pages.
func (c *Client) listAll(ctx context.Context, l listing) (page, error) {
	var all page
	for {
		p, err := c.list(ctx, l)
		if err != nil {
			return page{}, err
		}
		all.objects = append(all.objects, p.objects...)
		all.folders = append(all.folders, p.folders...)
		if p.next == "" {
			return all, nil
		}
		l.token = p.next
	}
}

// errNotThere is returned by get for a key that does not exist.
var errNotThere = errors.New("no such object")

// get reads an object of at most limit bytes.
func (c *Client) get(ctx context.Context, bucket, key string, limit int64) ([]byte, error) {
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		if code, status := codeOf(err); code == "NoSuchKey" || status == http.StatusNotFound && code != "NoSuchBucket" {
			return nil, errNotThere
		}
		return nil, c.explain(ctx, err, "s3:GetObject", bucket, "s3://"+bucket+"/"+key)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
	if err != nil {
		return nil, c.explain(ctx, err, "s3:GetObject", bucket, "s3://"+bucket+"/"+key)
	}
	if int64(len(content)) > limit {
		return nil, &tooLargeError{key: key, limit: limit}
	}
	return content, nil
}

// tooLargeError says that an object is larger than what it is taken for can be.
type tooLargeError struct {
	key   string
	limit int64
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes", e.key, e.limit)
}

// SharedCatalog is Catalog read once per client: concurrent callers share one read, later ones its result. Plans use
// it, where many resources look at one archive; what must be fresh calls Catalog. Errors are not kept. A read that takes longer than the
// context has is an [UnreachableError], and goes on for later callers.
// The result is shared too and must not be changed.
func (c *Client) SharedCatalog(ctx context.Context, loc Location, server string) (*recovery.Catalog, error) {
	key := loc.server(server) + "\x00" + loc.Bucket
	if known, ok := c.shared.Load(key); ok {
		return known.(*recovery.Catalog), nil //nolint:forcetypeassert // only stored below
	}
	// The read belongs to all who wait for it, so the first one's cancellation must not end it.
	detached := context.WithoutCancel(ctx)
	result := c.reads.DoChan(key, func() (any, error) {
		catalog, err := c.Catalog(detached, loc, server)
		if err == nil {
			c.shared.Store(key, catalog)
		}
		return catalog, err
	})
	begun := time.Now()
	select {
	case <-ctx.Done():
		err := fmt.Errorf("reading the archive of %s in %s: %w", server, loc, ctx.Err())
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &UnreachableError{
				Endpoint: c.endpoint, Reason: fmt.Sprintf("the archive of %s in %s was not read within %s", server, loc, time.Since(begun).Round(time.Second)), Err: err,
			}
		}
		return nil, err
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*recovery.Catalog), nil //nolint:forcetypeassert // only produced above
	}
}
