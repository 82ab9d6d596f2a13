package archive

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithymiddleware "github.com/aws/smithy-go/middleware"
)

// How long things may take: an endpoint that is not there is told from one that is slow within seconds, since plans
// wait for it.
const (
	dialTimeout   = 2 * time.Second // tried twice
	dialPause     = 200 * time.Millisecond
	tlsTimeout    = 4 * time.Second
	patience      = 10 * time.Second // for an answer to begin, and for each next byte of it
	maxAttempts   = 4                // of requests that were answered with an error worth repeating
	checkAttempts = 2                // the same for checks
)

// defaultRegion is used where neither configuration nor environment names one, as most S3-compatible stores want it.
const defaultRegion = "us-east-1"

// Config says how to reach an S3 store. What is left out comes from the AWS SDK's own chain: AWS_* variables
// (AWS_ENDPOINT_URL_S3 too), shared files, SSO, web identity, instance roles.
type Config struct {
	Region      string
	EndpointURL string
	// AccessKeyID and SecretAccessKey are given together or not at all.
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Profile         string
	AssumeRole      AssumeRole
	// UsePathStyle puts the bucket into the path rather than the host name; unset: whenever an endpoint URL is set.
	UsePathStyle *bool
	// CACertificate is PEM text that is trusted besides the system's authorities.
	CACertificate string
	// UserAgent names the program to the store's access log, as "name/version".
	UserAgent string

	patience time.Duration // 0 is the usual one; tests have less
}

// AssumeRole is the role to take on before S3 is called; without a RoleARN none is.
type AssumeRole struct {
	RoleARN     string
	SessionName string
	ExternalID  string
}

// String tells where the configuration points, without its secrets.
func (c Config) String() string {
	return fmt.Sprintf("S3 configuration (region %q, endpoint %q, profile %q, role %q, static keys: %t)",
		c.Region, c.EndpointURL, c.Profile, c.AssumeRole.RoleARN, c.AccessKeyID != "")
}

// GoString is String: %#v would print the secrets.
func (c Config) GoString() string { return c.String() }

// New prepares a client. It reads environment and files but calls nothing on the network.
func New(ctx context.Context, c Config) (*Client, error) {
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return nil, errors.New("preparing the S3 client: an access key ID and a secret access key are only of use together")
	}
	if err := checkURL(c.EndpointURL); err != nil {
		return nil, fmt.Errorf("preparing the S3 client: %w", err)
	}
	transport, err := c.transport()
	if err != nil {
		return nil, fmt.Errorf("preparing the S3 client: %w", err)
	}
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport),
		config.WithRetryer(newRetryer),
		config.WithDefaultRegion(defaultRegion),
	}
	if name, version, ok := strings.Cut(c.UserAgent, "/"); ok {
		load = append(load, config.WithAPIOptions([]func(*smithymiddleware.Stack) error{middleware.AddUserAgentKeyValue(name, version)}))
	}
	if c.Region != "" {
		load = append(load, config.WithRegion(c.Region))
	}
	if c.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(c.Profile))
	}
	if c.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)))
	}
	settings, err := config.LoadDefaultConfig(ctx, load...)
	if missing := (config.SharedConfigProfileNotExistError{}); errors.As(err, &missing) {
		return nil, fmt.Errorf("preparing the S3 client: the profile %q (of the configuration, or AWS_PROFILE) is not in the shared AWS files", missing.Profile)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing the S3 client: %w", err)
	}
	settings.HTTPClient = impatientClient{settings.HTTPClient, cmp.Or(c.patience, patience)}
	if c.AssumeRole.RoleARN != "" {
		settings.Credentials = aws.NewCredentialsCache(c.AssumeRole.provider(settings))
	}
	settings.Credentials = credentialsChain{settings.Credentials}
	client := s3.NewFromConfig(settings, func(o *s3.Options) {
		if c.EndpointURL != "" {
			o.BaseEndpoint = aws.String(c.EndpointURL)
		}
		o.UsePathStyle = o.BaseEndpoint != nil
		if c.UsePathStyle != nil {
			o.UsePathStyle = *c.UsePathStyle
		}
		// Only AWS itself is sure to know the newer checksum headers.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	if c.EndpointURL == "" {
		if err := checkURL(aws.ToString(client.Options().BaseEndpoint)); err != nil {
			return nil, fmt.Errorf("preparing the S3 client: %w (of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile)", err)
		}
	}
	return &Client{
		s3:       client,
		endpoint: cmp.Or(aws.ToString(client.Options().BaseEndpoint), "Amazon S3"),
		region:   client.Options().Region,
		roleARN:  c.AssumeRole.RoleARN,
	}, nil
}

// checkURL refuses an endpoint that no request could be sent to; "" stands for Amazon S3.
func checkURL(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("the endpoint URL is not a valid URL") // the parser's error would print a password in it
	case u.User != nil, strings.Contains(endpoint, "@"): // S3 knows none, and the pods' endpoint is there for everybody to read
		return errors.New("the endpoint URL holds a user or a password: leave them out")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("the endpoint URL %q must be of the form http://host:port or https://host", endpoint)
	}
	return nil
}

func (r AssumeRole) provider(settings aws.Config) aws.CredentialsProvider {
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(settings), r.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(r.SessionName, "terraform-provider-pgplatform")
		if r.ExternalID != "" {
			o.ExternalID = aws.String(r.ExternalID)
		}
	})
}

// transport is the SDK's own HTTP client (which honours HTTPS_PROXY and AWS_CA_BUNDLE) with our timeouts.
func (c Config) transport() (*awshttp.BuildableClient, error) {
	var roots *x509.CertPool
	if c.CACertificate != "" {
		system, err := x509.SystemCertPool()
		if err != nil {
			system = x509.NewCertPool()
		}
		if !system.AppendCertsFromPEM([]byte(c.CACertificate)) {
			return nil, errors.New("the CA certificate holds no certificate in PEM form")
		}
		roots = system
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = dial
		t.TLSHandshakeTimeout = tlsTimeout
		t.ResponseHeaderTimeout = cmp.Or(c.patience, patience)
		t.MaxIdleConnsPerHost = 2 * concurrency
		if roots != nil {
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			t.TLSClientConfig.RootCAs = roots
		}
	}), nil
}

// dial tries twice, since the retryer does not repeat what never reached the endpoint: with its backoff and attempts
// an endpoint that is not there would hold up a plan.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	conn, err := d.DialContext(ctx, network, address)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	select {
	case <-ctx.Done():
		return nil, err
	case <-time.After(dialPause):
	}
	return d.DialContext(ctx, network, address)
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = 2 * time.Second
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if neverReached(err) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
	})
}

// neverReached tells that waiting longer for the same endpoint makes little sense: it could not be dialled, is not
// trusted, or took the request and did not answer in time.
func neverReached(err error) bool {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// credentialsChain marks failures to obtain credentials, so that they are told from S3's own errors.
type credentialsChain struct{ aws.CredentialsProvider }

func (c credentialsChain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsFailure{err}
	}
	return found, nil
}

type credentialsFailure struct{ err error }

func (e *credentialsFailure) Error() string { return e.err.Error() }
func (e *credentialsFailure) Unwrap() error { return e.err }
