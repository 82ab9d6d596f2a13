package provider_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// strictRoot administers the S3 that is strict about keys: tests make accounts of their own there, and revoke them,
// without getting in each other's way.
type strictRoot struct {
	t    *testing.T
	keys aws.Credentials
	store
}

func newStrictRoot(t *testing.T) *strictRoot {
	t.Helper()
	return &strictRoot{t: t, store: strict(t), keys: aws.Credentials{
		AccessKeyID: env(t, "PGPLATFORM_STRICT_ROOT_ACCESS_KEY_ID"), SecretAccessKey: env(t, "PGPLATFORM_STRICT_ROOT_SECRET_ACCESS_KEY"),
	}}
}

func (r *strictRoot) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(r.endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(r.keys.AccessKeyID, r.keys.SecretAccessKey, ""),
	})
}

// makeBucket makes an empty bucket, which nobody but the root account may use.
func (r *strictRoot) makeBucket(name string) {
	r.t.Helper()
	_, err := r.client().CreateBucket(r.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)})
	must(r.t, err)
}

// objects are those of a bucket under a prefix: their keys, and what tells one content from another.
func (r *strictRoot) objects(bucket, prefix string) (map[string]string, error) {
	list, err := r.client().ListObjectsV2(r.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	if err != nil {
		return nil, err
	}
	objects := map[string]string{}
	for _, o := range list.Contents {
		objects[aws.ToString(o.Key)] = aws.ToString(o.ETag)
	}
	return objects, nil
}

// put writes an object.
func (r *strictRoot) put(bucket, key, content string) {
	r.t.Helper()
	_, err := r.client().PutObject(r.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(content)})
	must(r.t, err)
}

// account is the store as a new account sees it.
func (r *strictRoot) account(bucket string) store {
	r.t.Helper()
	s := r.store
	s.bucket, s.accessKeyID, s.secretAccessKey = bucket, strings.ToLower(rand.Text()[:20]), strings.ToLower(rand.Text())
	r.enroll(s)
	return s
}

// enroll makes the account of a store.
func (r *strictRoot) enroll(s store) {
	r.t.Helper()
	r.admin(r.t.Context(), "/create-user", nil, fmt.Sprintf("<Account><Access>%s</Access><Secret>%s</Secret><Role>user</Role></Account>", s.accessKeyID, s.secretAccessKey))
}

// give makes an account the one that owns its bucket, and may use it.
func (r *strictRoot) give(s store) {
	r.t.Helper()
	r.admin(r.t.Context(), "/change-bucket-owner", url.Values{"bucket": {s.bucket}, "owner": {s.accessKeyID}}, "")
}

// revoke removes an account; its key is refused from now on.
func (r *strictRoot) revoke(s store) {
	r.t.Helper()
	r.admin(r.t.Context(), "/delete-user", url.Values{"access": {s.accessKeyID}}, "")
}

// admin calls versitygw's admin interface, in which every call is a PATCH, signed as for S3.
func (r *strictRoot) admin(ctx context.Context, path string, query url.Values, body string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, r.endpoint+path+"?"+query.Encode(), bytes.NewReader([]byte(body)))
	must(r.t, err)
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", hash)
	must(r.t, v4.NewSigner().SignHTTP(ctx, r.keys, request, hash, "s3", "us-east-1", time.Now()))
	response, err := http.DefaultClient.Do(request)
	must(r.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(r.t, err)
	if response.StatusCode/100 != 2 {
		r.t.Errorf("versitygw answers %s to %s: %s", response.Status, path, answer)
	}
}
