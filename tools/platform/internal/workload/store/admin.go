package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// GiveBucket sees to it that the account exists and owns the bucket. The server is a versitygw, seen as its root
// account.
func (s Server) GiveBucket(ctx context.Context, bucket string, owner Account) error {
	mine := Server{Endpoint: s.Endpoint, Region: s.Region, Account: owner}
	if done, err := mine.HasBucket(ctx, bucket); done || err != nil {
		return err
	}
	if err := s.createUser(ctx, owner); err != nil {
		return err
	}
	exists, err := s.HasBucket(ctx, bucket)
	if err != nil {
		return err
	}
	if !exists {
		if err := s.MakeBucket(ctx, bucket); err != nil {
			return err
		}
	}
	query := url.Values{"bucket": {bucket}, "owner": {owner.AccessKeyID}}
	return s.admin(ctx, "/change-bucket-owner?"+query.Encode(), nil)
}

// createUser makes an account that may use what is its own, and nothing else.
func (s Server) createUser(ctx context.Context, a Account) error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Account"`
		Access  string
		Secret  string
		Role    string
	}{Access: a.AccessKeyID, Secret: a.SecretAccessKey, Role: "user"})
	if err != nil {
		return err
	}
	err = s.admin(ctx, "/create-user", body)
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.status == http.StatusConflict {
		return nil
	}
	return err
}

// refusal is an answer of the admin interface other than success.
type refusal struct {
	path   string
	status int
	answer string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("versitygw refuses %s: %s: %s", r.path, http.StatusText(r.status), r.answer)
}

// admin calls versitygw's admin interface, in which every call is a PATCH, signed as for S3.
func (s Server) admin(ctx context.Context, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, s.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	keys := aws.Credentials{AccessKeyID: s.Account.AccessKeyID, SecretAccessKey: s.Account.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hash, "s3", s.Region, time.Now()); err != nil {
		return err
	}
	resp, err := s.http().Do(req)
	if err != nil {
		return fmt.Errorf("call versitygw: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("read versitygw's answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		return &refusal{path: req.URL.Path, status: resp.StatusCode, answer: string(answer)}
	}
	return nil
}
