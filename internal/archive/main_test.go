package archive_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// TestMain keeps the machine's own AWS settings, and the metadata service's address, out of the tests.
func TestMain(m *testing.M) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
		"AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE",
	} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// at is an instant on the day that all tests play on.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-03-26 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func config(srv *s3test.Server) archive.Config {
	return archive.Config{
		EndpointURL: srv.URL, Region: s3test.Region, AccessKeyID: s3test.AccessKeyID, SecretAccessKey: s3test.SecretAccessKey,
	}
}

func client(t *testing.T, c archive.Config) *archive.Client {
	t.Helper()
	made, err := archive.New(context.Background(), c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return made
}

// store is a server with the bucket that all tests use, and a client for it.
func store(t *testing.T) (*s3test.Server, *archive.Client, archive.Location) {
	t.Helper()
	srv := s3test.New(t)
	srv.CreateBucket("backups")
	return srv, client(t, config(srv)), archive.Location{Bucket: "backups", Prefix: "pg"}
}
