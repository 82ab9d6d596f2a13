// Package store prepares the platform's S3 servers: it makes buckets and accounts.
package store

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Account is a pair of keys.
type Account struct {
	AccessKeyID     string `json:"accessKeyID"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// Server is an S3 server as one account sees it.
type Server struct {
	Endpoint string // "http://10.213.77.2:4566"
	Region   string
	Account  Account
	// Authority is the certificate, in PEM, of who vouches for the server; nobody but those of this machine where empty.
	Authority []byte
}

func (s Server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.Account.AccessKeyID, s.Account.SecretAccessKey, ""),
		UsePathStyle: true,
		// Callers try again by themselves, until the server is there.
		RetryMaxAttempts: 1,
		HTTPClient:       s.http(),
	})
}

// httpClient uses no proxy: the servers are on this machine.
var httpClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })

func (s Server) http() *awshttp.BuildableClient {
	if len(s.Authority) == 0 {
		return httpClient
	}
	return httpClient.WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		t.TLSClientConfig.RootCAs.AppendCertsFromPEM(s.Authority)
	})
}

// HasBucket tells whether the account may use the bucket. The server has answered where there is no error.
func (s Server) HasBucket(ctx context.Context, bucket string) (bool, error) {
	_, err := s.client().HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	if err == nil {
		return true, nil
	}
	// Without an answer the status is 0.
	if status := new(awshttp.ResponseError); errors.As(err, &status) && status.HTTPStatusCode()/100 == 4 {
		return false, nil
	}
	return false, fmt.Errorf("look for the bucket %s at %s: %w", bucket, s.Endpoint, err)
}

// MakeBucket makes the bucket unless the account has it already.
func (s Server) MakeBucket(ctx context.Context, bucket string) error {
	_, err := s.client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	if owned := new(types.BucketAlreadyOwnedByYou); err == nil || errors.As(err, &owned) {
		return nil
	}
	return fmt.Errorf("make the bucket %s at %s: %w", bucket, s.Endpoint, err)
}
