package provider

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
)

// objectStore is the provider's S3 as configured: where archives lie, how Terraform and how the pods reach it.
type objectStore struct {
	destinationPath string
	podEndpointURL  string
	region          string
	client          archive.Config
	podKeys         podKeys
}

// String and GoString keep keys out of anything that prints the struct: fmt does not ask the fields, which are not exported.
func (s objectStore) String() string { return s.destinationPath }

// GoString is String.
func (s objectStore) GoString() string { return s.String() }

// podKeys are the static keys that go into the Secret of a database's pods.
type podKeys struct {
	accessKeyID     string
	secretAccessKey string
}

func (k podKeys) set() bool { return k.accessKeyID != "" && k.secretAccessKey != "" }

// String and GoString keep keys out of anything that prints a struct.
func (k podKeys) String() string { return "[keys]" }

func (k podKeys) GoString() string { return k.String() }

// fingerprintOf is salt and a truncated keyed hash of what the credentials Secret holds. It tells a rotated key from the
// one before, and nothing about the key.
func fingerprintOf(keys podKeys, region, salt string) string {
	if salt == "" {
		salt = strings.ToLower(rand.Text()[:8])
	}
	mac := hmac.New(sha256.New, []byte(salt))
	fmt.Fprintf(mac, "%q %q %q", keys.accessKeyID, keys.secretAccessKey, region)
	return salt + "-" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// matchesFingerprint tells whether a fingerprint was made of these keys.
func matchesFingerprint(fingerprint string, keys podKeys, region string) bool {
	salt, _, ok := strings.Cut(fingerprint, "-")
	return ok && hmac.Equal([]byte(fingerprint), []byte(fingerprintOf(keys, region, salt)))
}

func newObjectStore(m *providerObjectStore) objectStore {
	store := objectStore{
		destinationPath: m.DestinationPath.ValueString(),
		region:          cmp.Or(m.Region.ValueString(), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		client: archive.Config{
			Region:          m.Region.ValueString(),
			EndpointURL:     m.EndpointURL.ValueString(),
			AccessKeyID:     m.AccessKeyID.ValueString(),
			SecretAccessKey: m.SecretAccessKey.ValueString(),
			SessionToken:    m.SessionToken.ValueString(),
			Profile:         m.Profile.ValueString(),
			UsePathStyle:    m.UsePathStyle.ValueBoolPointer(),
			CACertificate:   m.CACertificate.ValueString(),
		},
	}
	store.podEndpointURL = cmp.Or(m.PodEndpointURL.ValueString(), m.EndpointURL.ValueString(),
		os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if m.AssumeRole != nil {
		store.client.AssumeRole = archive.AssumeRole{
			RoleARN:     m.AssumeRole.RoleARN.ValueString(),
			SessionName: m.AssumeRole.SessionName.ValueString(),
			ExternalID:  m.AssumeRole.ExternalID.ValueString(),
		}
	}
	switch {
	case m.PodCredentials != nil:
		store.podKeys = podKeys{m.PodCredentials.AccessKeyID.ValueString(), m.PodCredentials.SecretAccessKey.ValueString()}
	case m.SessionToken.ValueString() == "":
		// Keys with a session token are temporary: a pod that got them would stop archiving when they expire.
		store.podKeys = podKeys{m.AccessKeyID.ValueString(), m.SecretAccessKey.ValueString()}
	}
	return store
}

func isDestinationPath() validator.String {
	return parses{"of the form s3://bucket/prefix", func(s string) error {
		_, err := archive.ParseDestinationPath(s)
		return err
	}}
}

func isURL() validator.String {
	return parses{"an http or https URL", func(s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%q is no address such as https://s3.example.com", s)
		}
		return nil
	}}
}
