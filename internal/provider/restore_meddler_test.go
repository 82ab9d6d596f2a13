package provider_test

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// meddler does to archives what befalls them in the world: it copies them, and takes away from the copies.
type meddler struct {
	*world
	s3 *s3.Client
}

func (w *world) meddle() *meddler {
	return &meddler{world: w, s3: s3.New(s3.Options{
		BaseEndpoint: aws.String(w.store.endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(w.store.accessKeyID, w.store.secretAccessKey, ""),
	})}
}

// place is where copies of an archive may lie.
type place struct{ bucket, prefix string }

func (p place) String() string { return "s3://" + p.bucket + "/" + p.prefix }

// aside is a place beside the test's own archives.
func (w *world) aside(name string) place { return place{w.store.bucket, w.namespace + "/" + name} }

// keys are those under a prefix, where there must be some. No archive of a test has more objects than one answer takes.
func (m *meddler) keys(bucket, prefix string) ([]string, error) {
	list, err := m.s3.ListObjectsV2(m.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, o := range list.Contents {
		keys = append(keys, aws.ToString(o.Key))
	}
	if len(keys) == 0 || aws.ToBool(list.IsTruncated) {
		return nil, fmt.Errorf("%d objects or more under %s in %s", len(keys), prefix, bucket)
	}
	return keys, nil
}

// copyArchive copies the archive of the source to a place, as another server's where it is named otherwise.
func (m *meddler) copyArchive(to place, server string) {
	m.t.Helper()
	from := m.namespace + "/source/"
	keys, err := m.keys(m.store.bucket, from)
	must(m.t, err)
	copying, ctx := errgroup.WithContext(m.t.Context())
	for _, key := range keys {
		copying.Go(func() error {
			_, err := m.s3.CopyObject(ctx, &s3.CopyObjectInput{
				CopySource: aws.String(m.store.bucket + "/" + key),
				Bucket:     aws.String(to.bucket), Key: aws.String(to.prefix + "/" + server + "/" + strings.TrimPrefix(key, from)),
			})
			return err
		})
	}
	must(m.t, copying.Wait())
}

// removeSegment takes a WAL segment from a copy.
func (m *meddler) removeSegment(from place, segment string) error {
	const log = 16 // of a segment's name tell its folder
	return m.remove(from.bucket, fmt.Sprintf("%s/source/wals/%s/%s", from.prefix, segment[:log], segment))
}

// remove takes away what is under a prefix.
func (m *meddler) remove(bucket, prefix string) error {
	keys, err := m.keys(bucket, prefix)
	if err != nil {
		return err
	}
	var objects []types.ObjectIdentifier
	for _, key := range keys {
		objects = append(objects, types.ObjectIdentifier{Key: aws.String(key)})
	}
	_, err = m.s3.DeleteObjects(m.t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: objects}})
	return err
}
