package provider

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
)

// podReach is how the pods of a database reach S3, as far as a configuration may leave it open.
type podReach struct {
	EndpointURL string `json:"endpoint_url,omitempty"`
	Region      string `json:"region,omitempty"`
}

// annotation is the form in [cnpg.AnnotationKept]; "" where it says nothing.
func (r podReach) annotation() string {
	if r == (podReach{}) {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "" // strings can always be encoded
	}
	return string(text)
}

// objectStore is an S3 as configured: where archives lie, how Terraform and how the pods reach it.
type objectStore struct {
	destinationPath string
	podEndpointURL  string
	region          string
	caCertificate   string
	client          archive.Config
	pods            podIdentity
	// environment is what the environment says of what the configuration leaves open; kept is what a database has of it.
	environment, kept podReach
	// override is what a database's configuration says beside the provider's, as [cnpg.AnnotationObjectStore] keeps it.
	override string
}

// String and GoString keep keys out of anything that prints the struct: fmt does not ask the fields, which are not exported.
func (s objectStore) String() string { return s.destinationPath }

// GoString is String.
func (s objectStore) GoString() string { return s.String() }

func newObjectStore(m *providerObjectStore) objectStore {
	store := objectStore{
		destinationPath: m.DestinationPath.ValueString(),
		podEndpointURL:  cmp.Or(m.PodEndpointURL.ValueString(), m.EndpointURL.ValueString()),
		region:          m.Region.ValueString(),
		caCertificate:   m.CACertificate.ValueString(),
		client: archive.Config{
			Region:          m.Region.ValueString(),
			EndpointURL:     m.EndpointURL.ValueString(),
			AccessKeyID:     m.AccessKeyID.ValueString(),
			SecretAccessKey: m.SecretAccessKey.ValueString(),
			SessionToken:    m.SessionToken.ValueString(),
			Profile:         m.Profile.ValueString(),
			AssumeRole:      m.AssumeRole.config(),
			UsePathStyle:    m.UsePathStyle.ValueBoolPointer(),
			CACertificate:   m.CACertificate.ValueString(),
		},
	}
	store.environment = podReach{
		EndpointURL: cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")),
		Region:      cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
	}
	switch {
	case m.PodCredentials != nil:
		store.pods.keys = podKeys{m.PodCredentials.AccessKeyID.ValueString(), m.PodCredentials.SecretAccessKey.ValueString()}
	case m.PodIAMRoleARN.ValueString() != "":
		store.pods.iamRoleARN = m.PodIAMRoleARN.ValueString()
	case m.SessionToken.ValueString() == "":
		// Keys with a session token are temporary: a pod that got them would stop archiving when they expire.
		store.pods.keys = podKeys{m.AccessKeyID.ValueString(), m.SecretAccessKey.ValueString()}
	}
	return store
}

func (m *assumeRoleModel) config() archive.AssumeRole {
	if m == nil {
		return archive.AssumeRole{}
	}
	return archive.AssumeRole{
		RoleARN:     m.RoleARN.ValueString(),
		SessionName: m.SessionName.ValueString(),
		ExternalID:  m.ExternalID.ValueString(),
	}
}

// storeFor is the object store of a database: the provider's, with what its backup attribute says otherwise. It is nil
// while a part of it is not known. What the configuration leaves open of how the pods reach it, they keep: has is what they
// have. Only for a database without an archive, nil, the environment of whoever runs Terraform decides about it.
func (b *backend) storeFor(ctx context.Context, backup *backupSettings, has *podReach, diags *diag.Diagnostics) *objectStore {
	var override storeOverride
	var secret credentialsSecretModel
	overridden := whole(ctx, backup.ObjectStore, &override, diags)
	named := whole(ctx, backup.CredentialsSecret, &secret, diags)
	if b.store == nil || !overridden || !named {
		return nil
	}
	store := b.store.with(&override)
	if has == nil {
		has = &store.environment
	}
	if store.podEndpointURL == "" {
		store.podEndpointURL, store.kept.EndpointURL = has.EndpointURL, has.EndpointURL
	}
	if store.region == "" {
		store.region, store.kept.Region = has.Region, has.Region
	}
	if secret.Name.ValueString() != "" {
		store.pods = podIdentity{secret: secretKeys{secret.Name.ValueString(), secret.AccessKeyIDKey.ValueString(), secret.SecretAccessKeyKey.ValueString()}}
	}
	return store
}

// with is the store with a database's own settings in it.
func (s *objectStore) with(o *storeOverride) *objectStore {
	store := *s
	store.override = o.annotation()
	client := &store.client
	if endpoint := o.EndpointURL.ValueString(); endpoint != "" {
		client.EndpointURL, store.podEndpointURL = endpoint, endpoint
		client.UsePathStyle, client.CACertificate, store.caCertificate = nil, "", ""
	}
	if profile := o.Profile.ValueString(); profile != "" {
		client.Profile, client.AccessKeyID, client.SecretAccessKey, client.SessionToken = profile, "", "", ""
		client.AssumeRole = archive.AssumeRole{}
	}
	if o.AssumeRole != nil {
		client.AssumeRole = o.AssumeRole.config()
	}
	if region := o.Region.ValueString(); region != "" {
		client.Region, store.region = region, region
	}
	if !o.UsePathStyle.IsNull() {
		client.UsePathStyle = o.UsePathStyle.ValueBoolPointer()
	}
	if certificate := o.CACertificate.ValueString(); certificate != "" {
		client.CACertificate, store.caCertificate = certificate, certificate
	}
	store.destinationPath = cmp.Or(o.DestinationPath.ValueString(), store.destinationPath)
	store.podEndpointURL = cmp.Or(o.PodEndpointURL.ValueString(), store.podEndpointURL)
	return &store
}

// s3Client is the client of an object store; [errNotKnown] while its settings are not known. Databases that use the same
// store in the same way share one.
func (b *backend) s3Client(ctx context.Context, store *objectStore) (*archive.Client, error) {
	if b == nil || store == nil {
		return nil, errNotKnown
	}
	key := s3Key{Config: store.client}
	if key.UsePathStyle != nil {
		key.pathStyle = fmt.Sprint(*key.UsePathStyle)
		key.UsePathStyle = nil // two pointers to the same value differ
	}
	b.s3Mu.Lock()
	defer b.s3Mu.Unlock()
	if client, ok := b.s3[key]; ok {
		return client, nil
	}
	config := store.client
	config.UserAgent = b.userAgent
	// The client outlives the call that happens to be the first.
	client, err := archive.New(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, err
	}
	if b.s3 == nil {
		b.s3 = map[s3Key]*archive.Client{}
	}
	b.s3[key] = client
	return client, nil
}

// s3Key tells clients apart.
type s3Key struct {
	archive.Config
	pathStyle string
}

func isDestinationPath() validator.String {
	return parses{"of the form s3://bucket/prefix", func(s string) error {
		_, err := archive.ParseDestinationPath(s)
		return err
	}}
}

func isURL() validator.String { return parses{"an http or https URL", checkURL} }

// checkURL refuses an address of S3 that none is, or that holds a password; the error does not.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		shown := fmt.Sprintf("%q", s)
		if strings.Contains(s, "@") { // there may be a password before it
			shown = "it"
		}
		return errors.New(shown + " is no address such as https://s3.example.com")
	}
	if u.User != nil {
		return errors.New("it holds a user or a password, which would be in the state for everybody to read: leave them out")
	}
	return nil
}

// checkEnvironment refuses an address in the environment that the configuration would not take either: a new database's pods get it.
func (s *objectStore) checkEnvironment(diags *diag.Diagnostics) {
	if s.client.EndpointURL != "" || s.environment.EndpointURL == "" {
		return
	}
	if err := checkURL(s.environment.EndpointURL); err != nil {
		diags.AddAttributeError(path.Root("object_store").AtName("endpoint_url"), "Invalid Environment Variable",
			sentence(fmt.Errorf("AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL): %w", err)))
	}
}

func isCertificate() validator.String {
	return parses{"certificates in PEM form", func(s string) error {
		found := 0
		for rest := []byte(s); ; found++ {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				return fmt.Errorf("it holds a block of type %q beside certificates", strings.ToLower(block.Type))
			}
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return fmt.Errorf("it holds a certificate that cannot be read: %w", err)
			}
		}
		if found == 0 {
			return errors.New("it holds no certificate in PEM form")
		}
		return nil
	}}
}

func isRoleARN() validator.String {
	return parses{"the ARN of an IAM role", func(s string) error {
		parts := strings.SplitN(s, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") {
			return fmt.Errorf("%q is no ARN of an IAM role, such as arn:aws:iam::123456789012:role/backups", s)
		}
		return nil
	}}
}
