package archive

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// BucketNotFoundError says that the bucket does not exist.
type BucketNotFoundError struct {
	Bucket string
	// Visible are the buckets that the identity can list.
	Visible []string
	// ListDenied tells that the identity may not list buckets, or that the store did not answer that.
	ListDenied bool
}

func (e *BucketNotFoundError) Error() string {
	switch {
	case e.ListDenied:
		return fmt.Sprintf("bucket %q does not exist; which ones do cannot be told, since these credentials may not list them (s3:ListAllMyBuckets)", e.Bucket)
	case len(e.Visible) == 0:
		return fmt.Sprintf("bucket %q does not exist; these credentials see no bucket at all", e.Bucket)
	case len(e.Visible) > 20:
		return fmt.Sprintf("bucket %q does not exist; these credentials see %s and %d more", e.Bucket, strings.Join(e.Visible[:20], ", "), len(e.Visible)-20)
	}
	return fmt.Sprintf("bucket %q does not exist; these credentials see %s", e.Bucket, strings.Join(e.Visible, ", "))
}

// AccessDeniedError says that the identity lacks a right.
type AccessDeniedError struct {
	Action   string // the IAM action, such as s3:ListBucket
	Resource string // what it was refused on
	Err      error
}

func (e *AccessDeniedError) Error() string {
	return fmt.Sprintf("access denied: these credentials need %s on %s (%s)", e.Action, e.Resource, cause(e.Err))
}

func (e *AccessDeniedError) Unwrap() error { return e.Err }

// WrongRegionError says that the bucket lies in another region than the requests were made for.
type WrongRegionError struct {
	Bucket     string
	Configured string
	Actual     string // "" where the store did not say
	Err        error
}

func (e *WrongRegionError) Error() string {
	if e.Actual == "" {
		return fmt.Sprintf("bucket %q is not in region %s (%s)", e.Bucket, e.Configured, cause(e.Err))
	}
	return fmt.Sprintf("bucket %q is in region %s, not in %s", e.Bucket, e.Actual, e.Configured)
}

func (e *WrongRegionError) Unwrap() error { return e.Err }

// CredentialsError says that the identity itself was refused or that there is none.
type CredentialsError struct {
	Reason string
	Err    error
}

func (e *CredentialsError) Error() string { return fmt.Sprintf("%s (%s)", e.Reason, cause(e.Err)) }

func (e *CredentialsError) Unwrap() error { return e.Err }

// UnreachableError says that the store gave no usable answer: not there, not in time, or out of order.
type UnreachableError struct {
	Endpoint string
	Reason   string
	Err      error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %s", e.Endpoint, e.Reason)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Unreachable tells whether the store could not be reached at all, so that nothing is known about its content.
func Unreachable(err error) bool {
	var unreachable *UnreachableError
	return errors.As(err, &unreachable)
}

// refusedKeys says what codes mean by which a store refuses the identity itself.
var refusedKeys = map[string]string{
	"InvalidAccessKeyId":    "the store does not know the access key ID",
	"SignatureDoesNotMatch": "the secret access key does not belong to the access key ID",
	"ExpiredToken":          "the credentials have expired",
	"ExpiredTokenException": "the credentials have expired",
	"InvalidToken":          "the session token is not valid",
	"InvalidClientTokenId":  "the store does not know the access key ID",
	"TokenRefreshRequired":  "the credentials have expired",
	"RequestTimeTooSkewed":  "this machine's clock differs too much from the store's",
	"UnrecognizedClient":    "the store does not know the access key ID",
	"InvalidSecurity":       "the store refuses the credentials",
}

// explain turns an SDK error into one of this package's. action is the IAM action that the call needs and resource
// what it was called on; bucket may be "".
func (c *Client) explain(ctx context.Context, err error, action, bucket, resource string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("calling %s: %w", c.endpoint, ctx.Err())
	}
	endpoint := c.endpoint
	if inSTS(err) {
		action, resource, endpoint = "sts:AssumeRole", cmp.Or(c.roleARN, "the role"), "AWS STS"
	}
	code, status := codeOf(err)
	switch {
	case refusedKeys[code] != "":
		return &CredentialsError{Reason: refusedKeys[code], Err: err}
	case code == "NoSuchBucket":
		missing := &BucketNotFoundError{Bucket: bucket}
		missing.Visible, missing.ListDenied = c.buckets(ctx)
		return missing
	case code == "PermanentRedirect", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException", status == http.StatusMovedPermanently:
		actual := regionOf(err)
		if actual == "" && code == "AuthorizationHeaderMalformed" {
			return &CredentialsError{Reason: "the store refuses the request's signature", Err: err}
		}
		return &WrongRegionError{Bucket: bucket, Configured: c.region, Actual: actual, Err: err}
	case code == "AccessDenied", code == "AccessDeniedException", code == "AllAccessDisabled", status == http.StatusForbidden && code != "InvalidObjectState":
		return &AccessDeniedError{Action: action, Resource: resource, Err: err}
	}
	if reason := unreachableReason(err, code, status); reason != "" {
		return &UnreachableError{Endpoint: endpoint, Reason: reason, Err: err}
	}
	var noKeys *credentialsFailure
	if errors.As(err, &noKeys) {
		// Where only the pods reach the store, nobody gives Terraform keys for it: it cannot be reached then, keys or not.
		if reason := c.silence(ctx, bucket); reason != "" {
			return &UnreachableError{Endpoint: c.endpoint, Reason: reason, Err: noKeys.err}
		}
		return &CredentialsError{Reason: "no credentials for S3 could be found", Err: noKeys.err}
	}
	return fmt.Errorf("calling %s for %s on %s: %w", endpoint, action, resource, err)
}

// silence says why the store gives not even an answer to who shows no keys; "" where it does.
func (c *Client) silence(ctx context.Context, bucket string) string {
	if bucket == "" {
		return ""
	}
	_, err := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket}, func(o *s3.Options) { o.Credentials = nil })
	if err == nil {
		return ""
	}
	code, status := codeOf(err)
	return unreachableReason(err, code, status)
}

// inSTS tells whether it was the call for an assumed role that failed.
func inSTS(err error) bool {
	for err != nil {
		var op *smithy.OperationError
		if !errors.As(err, &op) {
			return false
		}
		if op.Service() == "STS" {
			return true
		}
		err = op.Unwrap()
	}
	return false
}

// codeOf is the error code that the service gave, if any, and the HTTP status, 0 where there was no answer.
func codeOf(err error) (string, int) {
	var code string
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return code, response.HTTPStatusCode()
	}
	return code, 0
}

// expectedRegion finds the region in messages such as "the region 'us-east-1' is wrong; expecting 'eu-west-1'".
var expectedRegion = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

// regionOf is the bucket's region as the answer tells it, or "".
func regionOf(err error) string {
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		if region := response.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return region
		}
	}
	if match := expectedRegion.FindStringSubmatch(err.Error()); match != nil {
		return match[1]
	}
	return ""
}

// unreachableReason says in a few words why there was no usable answer; "" where there was one.
func unreachableReason(err error, code string, status int) string {
	var stalled *stalledError
	if errors.As(err, &stalled) {
		return stalled.Error()
	}
	if status >= http.StatusInternalServerError || code == "SlowDown" || status == http.StatusTooManyRequests {
		return strings.TrimSpace(fmt.Sprintf("it answers %d %s", status, cmp.Or(code, http.StatusText(status))))
	}
	if status != 0 {
		return ""
	}
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	var send *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &dns):
		return "its host name " + dns.Name + " cannot be resolved"
	case errors.As(err, &untrusted):
		return "its certificate is not trusted: " + cause(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &send), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cause(err)
	}
	return ""
}

// cause is the innermost error that says something: the service's own message where there is one.
func cause(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		if api.ErrorMessage() == "" {
			return api.ErrorCode()
		}
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	var process *processcreds.ProviderError
	if errors.As(err, &process) {
		if strings.HasPrefix(process.Err.Error(), "parse failed") { // what follows is what was printed
			return "the command in credential_process printed something else than credentials in JSON"
		}
		return process.Err.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil || inner.Error() == "" {
			return err.Error()
		}
		if _, ok := err.(*net.OpError); ok { //nolint:errorlint // the chain is being walked
			return err.Error()
		}
		err = inner
	}
}
