package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	c := archive.Config{AccessKeyID: "AKIA0000000000000000", SecretAccessKey: "s3cr3t-s3cr3t", SessionToken: "t0k3n-t0k3n"}
	made := client(t, c)
	for _, text := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s", c, c, c, c), fmt.Sprintf("%v %#v", &c, &c), fmt.Sprintf("%v %+v %#v", made, made, made),
	} {
		if strings.Contains(text, "s3cr3t") || strings.Contains(text, "t0k3n") {
			t.Errorf("%q holds a secret", text)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]archive.Config{
		"only of use together":  {AccessKeyID: "AKIA0000000000000000"},
		"no certificate":        {CACertificate: "not PEM"},
		`"localhost:4566" must`: {EndpointURL: "localhost:4566"},
		"not a valid URL":       {EndpointURL: "http://u:pass word@[::1"},
		`"http://" must`:        {EndpointURL: "http://"},
		`the profile "no-such-profile" (of the configuration, or AWS_PROFILE) is not in the shared AWS files`: {Profile: "no-such-profile"},
	} {
		if _, err := archive.New(context.Background(), c); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want it to contain %q", err, text)
		}
	}
}

// A password in an endpoint is refused, wherever it comes from, and is in no error.
func TestPasswordsInEndpointsAreRefused(t *testing.T) {
	const secret = "s3cr3t-s3cr3t"
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", file)
	for _, endpoint := range []string{
		"http://me:" + secret + "@127.0.0.1:1", "https://me:" + secret + "@h:port", "https://me:" + secret + "@[::1", "me:" + secret + "@127.0.0.1:1",
	} {
		text := fmt.Sprintf("[profile p]\naws_access_key_id=A\naws_secret_access_key=B\nendpoint_url=%s\n[profile bare]\naws_access_key_id=A\naws_secret_access_key=B\n", endpoint)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]archive.Config{"configuration": {EndpointURL: endpoint}, "profile": {Profile: "p"}, "environment": {Profile: "bare"}} {
			t.Run(name+" "+endpoint, func(t *testing.T) {
				if name == "environment" {
					t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
				}
				_, err := archive.New(context.Background(), c)
				if err == nil || !strings.Contains(err.Error(), "endpoint URL") || strings.Contains(err.Error(), secret) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// The command of a profile's credential_process prints credentials, so nothing of what it prints is in an error.
func TestErrorsOfCredentialProcessHideWhatItPrints(t *testing.T) {
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", file)
	for printed, want := range map[string]string{
		`s3cr3t`:               "printed something else than credentials in JSON",
		`{"Version":"s3cr3t"}`: "printed something else than credentials in JSON",
		`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s3cr3t","Expiration":"s3cr3t"}`: "printed something else than credentials in JSON",
		`{"Version":2,"SecretAccessKey":"s3cr3t"}`:                                         "wrong version in process output",
		`{"Version":1,"SecretAccessKey":"s3cr3t"}`:                                         "missing AccessKeyId",
		`s3cr3t'; exit '3`: "error in credential_process: exit status 3",
	} {
		if err := os.WriteFile(file, []byte("[profile p]\ncredential_process = sh -c \"echo '"+strings.ReplaceAll(printed, `"`, `\"`)+"'\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := client(t, archive.Config{EndpointURL: srv.URL, Profile: "p"}).CheckBucket(context.Background(), "backups")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("of %s: got %v, want %q", printed, err, want)
		}
	}
}

// The environment's own variables are process-wide, so these tests do not run beside others.
func TestEnvironmentFillsIn(t *testing.T) {
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretAccessKey)
	t.Setenv("AWS_REGION", "eu-west-3")
	t.Setenv("AWS_ENDPOINT_URL_S3", srv.URL)
	c := client(t, archive.Config{})
	// Path style: the test server would not understand a bucket in the host name.
	if err := c.CheckBucket(context.Background(), "backups"); err != nil {
		t.Error(err)
	}
	if c.Region() != "eu-west-3" || c.Endpoint() != srv.URL {
		t.Errorf("client is %s", c)
	}
	other := s3test.New(t)
	explicit := client(t, archive.Config{EndpointURL: other.URL, Region: "us-west-2"})
	var missing *archive.BucketNotFoundError
	if err := explicit.CheckBucket(context.Background(), "backups"); !errors.As(err, &missing) || explicit.Region() != "us-west-2" {
		t.Errorf("configuration did not beat the environment: %v, %s", err, explicit)
	}
}

func TestProfile(t *testing.T) {
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	file := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[good]\naws_access_key_id=%s\naws_secret_access_key=%s\n[bad]\naws_access_key_id=AKIABAD\naws_secret_access_key=x\n",
		s3test.AccessKeyID, s3test.SecretAccessKey)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	if err := client(t, archive.Config{EndpointURL: srv.URL, Profile: "good"}).CheckBucket(context.Background(), "backups"); err != nil {
		t.Error(err)
	}
	var refused *archive.CredentialsError
	if err := client(t, archive.Config{EndpointURL: srv.URL, Profile: "bad"}).CheckBucket(context.Background(), "backups"); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	c := config(srv)
	c.UserAgent = "terraform-provider-pgplatform/1.2.3"
	if err := client(t, c).CheckBucket(context.Background(), "backups"); err != nil {
		t.Fatal(err)
	}
	for _, r := range srv.Requests() {
		if !slices.Contains(strings.Fields(r.UserAgent), c.UserAgent) {
			t.Errorf("user agent %q", r.UserAgent)
		}
	}
	if len(srv.Requests()) == 0 {
		t.Error("no request: this test shows nothing")
	}
}

func TestNoCredentialsAtAll(t *testing.T) {
	t.Parallel()
	srv := s3test.New(t)
	err := client(t, archive.Config{EndpointURL: srv.URL}).CheckBucket(context.Background(), "backups")
	var refused *archive.CredentialsError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("got %v", err)
	}
	for _, r := range srv.Requests() { // all that is asked is whether it answers
		if r.Op != "HeadBucket" || r.AccessKeyID != "" {
			t.Errorf("the store was asked %+v", r)
		}
	}
}

// A store that only pods reach, and for which nobody gives Terraform keys, cannot be reached.
func TestNoCredentialsForAStoreThatIsNotThere(t *testing.T) {
	t.Parallel()
	err := client(t, archive.Config{EndpointURL: "http://127.0.0.1:1"}).CheckBucket(context.Background(), "backups")
	if !archive.Unreachable(err) || !strings.Contains(err.Error(), "http://127.0.0.1:1 cannot be reached: connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestAssumeRole(t *testing.T) {
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	sts := s3test.NewSTS(t, srv)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	c := config(srv)
	c.AssumeRole = archive.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/reader", SessionName: "here", ExternalID: "ext"}
	if err := client(t, c).CheckBucket(context.Background(), "backups"); err != nil {
		t.Error(err)
	}
	calls := sts.Calls()
	if len(calls) != 1 || calls[0].RoleARN != c.AssumeRole.RoleARN || calls[0].SessionName != "here" || calls[0].ExternalID != "ext" || calls[0].AccessKeyID != s3test.AccessKeyID {
		t.Fatalf("the role was assumed by %+v", calls)
	}
	for _, r := range srv.Requests() {
		if r.AccessKeyID != calls[0].Given {
			t.Errorf("%+v is not of the role", r)
		}
	}
	sts.Deny()
	err := client(t, c).CheckBucket(context.Background(), "backups")
	var refused *archive.AccessDeniedError
	if !errors.As(err, &refused) || refused.Action != "sts:AssumeRole" || refused.Resource != c.AssumeRole.RoleARN {
		t.Errorf("got %v", err)
	}
}

func TestCACertificate(t *testing.T) {
	t.Parallel()
	srv := s3test.NewTLS(t)
	srv.CreateBucket("backups")
	c := config(srv)
	if err := client(t, c).CheckBucket(context.Background(), "backups"); !archive.Unreachable(err) || !strings.Contains(err.Error(), "certificate is not trusted") {
		t.Errorf("got %v", err)
	}
	c.CACertificate = string(srv.CA)
	if err := client(t, c).CheckBucket(context.Background(), "backups"); err != nil {
		t.Error(err)
	}
}

func TestParseDestinationPath(t *testing.T) {
	t.Parallel()
	good := map[string]archive.Location{
		"s3://b-1":                         {Bucket: "b-1"},
		"s3://b-1/":                        {Bucket: "b-1"},
		"s3://b-1//a":                      {Bucket: "b-1", Prefix: "a"},
		"s3://b-1/a/b/":                    {Bucket: "b-1", Prefix: "a/b"},
		"s3://my.bucket_x/päth with space": {Bucket: "my.bucket_x", Prefix: "päth with space"},
	}
	for path, want := range good {
		if got, err := archive.ParseDestinationPath(path); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
	}
	bad := map[string]string{
		"": "must begin with s3://", "b/a": "must begin with s3://", "S3://b-1": "must begin with s3://", "https://b/a": "must begin with s3://",
		"s3://": "names no bucket", "s3:///a": "names no bucket", "s3://a b/x": "cannot be the name", "s3://u@h:1/x": "cannot be the name",
		"s3://bbb/a?b": "? and #", "s3://bbb/a#b": "? and #", "s3://bbb/a\nb": "control character",
	}
	for path, text := range bad {
		if got, err := archive.ParseDestinationPath(path); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %+v, %v, want %q", path, got, err, text)
		}
	}
}
