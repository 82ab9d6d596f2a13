package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	secret := func(id, key, region string) map[string][]byte {
		return map[string][]byte{keyAccessKeyID: []byte(id), keySecretAccessKey: []byte(key), keyRegion: []byte(region)}
	}
	data := secret("AKIAEXAMPLE", "a-secret-access-key", "eu-west-1")
	made := fingerprintOf(data, "")
	if !matchesFingerprint(made, data) {
		t.Errorf("%q does not match what it was made of", made)
	}
	for name, other := range map[string]map[string][]byte{
		"another key":    secret("AKIAOTHER", "a-secret-access-key", "eu-west-1"),
		"another secret": secret("AKIAEXAMPLE", "another-secret", "eu-west-1"),
		"another region": secret("AKIAEXAMPLE", "a-secret-access-key", "us-east-1"),
		"a certificate":  {keyAccessKeyID: data[keyAccessKeyID], keySecretAccessKey: data[keySecretAccessKey], keyRegion: data[keyRegion], keyCACertificate: []byte("PEM")},
		"no region":      {keyAccessKeyID: data[keyAccessKeyID], keySecretAccessKey: data[keySecretAccessKey]},
		"nothing":        {},
		// Where one value ends and the next begins counts.
		"values moved": secret("AKIAEXAMPLE a-secret", "-access-key", "eu-west-1"),
	} {
		if matchesFingerprint(made, other) {
			t.Errorf("%s: %q matches", name, made)
		}
	}
	for _, broken := range []string{"", "-", "nonsense", made[:len(made)-1], strings.ToUpper(made)} {
		if matchesFingerprint(broken, data) {
			t.Errorf("%q matches", broken)
		}
	}
	if again := fingerprintOf(data, ""); again == made {
		t.Error("two fingerprints of the same keys are equal: they are not salted, and tell who uses the same keys")
	}
	if none := fingerprintOf(nil, ""); none != "" || !matchesFingerprint(none, nil) {
		t.Errorf("nothing has the fingerprint %q", none)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	keys := podKeys{"AKIAEXAMPLE", "a-secret-access-key"}
	store := &objectStore{pods: podIdentity{keys: keys}}
	location := archiveLocation{store: store}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{keys, &keys, store, *store, store.pods, location, &location} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, "a-secret-access-key") {
				t.Errorf("%s of %T prints a key", format, value)
			}
		}
	}
}

// Only what does not expire reaches the pods, wherever Terraform's own keys come from.
func TestPodIdentity(t *testing.T) { //nolint:paralleltest // the environment is the process's
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "FROM-THE-ENVIRONMENT")
	}
	value := types.StringValue
	const role = "arn:aws:iam::123456789012:role/pods"
	static := providerObjectStore{AccessKeyID: value("A"), SecretAccessKey: value("S")}
	with := func(change func(*providerObjectStore)) providerObjectStore {
		store := static
		change(&store)
		return store
	}
	pod := &podCredentialsModel{value("PA"), value("PS")}
	assumed := &assumeRoleModel{RoleARN: value("arn:aws:iam::123456789012:role/terraform")}
	tests := map[string]struct {
		store providerObjectStore
		want  podIdentity
	}{
		"static keys":                      {static, podIdentity{keys: podKeys{"A", "S"}}},
		"pod_credentials beat static keys": {with(func(s *providerObjectStore) { s.PodCredentials = pod }), podIdentity{keys: podKeys{"PA", "PS"}}},
		"a role beats static keys":         {with(func(s *providerObjectStore) { s.PodIAMRoleARN = value(role) }), podIdentity{iamRoleARN: role}},
		"temporary keys":                   {with(func(s *providerObjectStore) { s.SessionToken = value("T") }), podIdentity{}},
		"temporary keys beside pod_credentials": {
			with(func(s *providerObjectStore) { s.SessionToken, s.PodCredentials = value("T"), pod }), podIdentity{keys: podKeys{"PA", "PS"}},
		},
		"temporary keys beside a role": {
			with(func(s *providerObjectStore) { s.SessionToken, s.PodIAMRoleARN = value("T"), value(role) }), podIdentity{iamRoleARN: role},
		},
		// The role is assumed with the static keys: those, not the role's, are the pods'.
		"static keys that assume a role": {with(func(s *providerObjectStore) { s.AssumeRole = assumed }), podIdentity{keys: podKeys{"A", "S"}}},
		"a profile":                      {providerObjectStore{Profile: value("prod")}, podIdentity{}},
		"an assumed role":                {providerObjectStore{AssumeRole: assumed}, podIdentity{}},
		"the environment":                {providerObjectStore{}, podIdentity{}},
	}
	for name, test := range tests {
		store := newObjectStore(&test.store)
		if store.pods != test.want {
			t.Errorf("%s: the pods get another identity", name) // which one is not printed
		}
		if store.pods.set() != (test.want != podIdentity{}) {
			t.Errorf("%s: set: %t", name, store.pods.set())
		}
	}
}

// What the Secret of the provider holds with each identity, and which of it CNPG is pointed to.
func TestSecretData(t *testing.T) {
	t.Parallel()
	keys := podIdentity{keys: podKeys{"A", "S"}}
	named := podIdentity{secret: secretKeys{"mine", "ID", "KEY"}}
	role := podIdentity{iamRoleARN: "arn:aws:iam::123456789012:role/pods"}
	tests := map[string]struct {
		store objectStore
		want  []string
	}{
		"keys":                           {objectStore{pods: keys}, []string{keyAccessKeyID, keySecretAccessKey}},
		"keys, region and certificate":   {objectStore{pods: keys, region: "r", caCertificate: "PEM"}, []string{keyAccessKeyID, keySecretAccessKey, keyRegion, keyCACertificate}},
		"a Secret":                       {objectStore{pods: named}, nil},
		"a Secret, region, certificate":  {objectStore{pods: named, region: "r", caCertificate: "PEM"}, []string{keyRegion, keyCACertificate}},
		"a role":                         {objectStore{pods: role}, nil},
		"a role, which brings a region":  {objectStore{pods: role, region: "r"}, nil},
		"a role, region and certificate": {objectStore{pods: role, region: "r", caCertificate: "PEM"}, []string{keyCACertificate}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := slices.Sorted(maps.Keys(test.store.secretData()))
			if slices.Sort(test.want); !slices.Equal(got, test.want) {
				t.Errorf("the Secret holds %v, want %v", got, test.want)
			}
			configured := archiveLocation{store: &test.store, serverName: "s"}.barmanStore(cnpg.CredentialsSecretName("db"))
			if (configured.AWS.RegionReference != nil) != slices.Contains(got, keyRegion) || (configured.EndpointCA != nil) != slices.Contains(got, keyCACertificate) {
				t.Errorf("CNPG is pointed to what the Secret does not hold, or not to what it does: %+v, %+v", configured.AWS, configured.EndpointCA)
			}
			if configured.AWS.InheritFromIAMRole != (test.store.pods.iamRoleARN != "") {
				t.Errorf("inheritFromIAMRole is %t", configured.AWS.InheritFromIAMRole)
			}
		})
	}
}

// What a database says of its store takes the place of what the provider says.
func TestStoreOverride(t *testing.T) {
	t.Parallel()
	value := types.StringValue
	yes := true
	base := objectStore{
		destinationPath: "s3://one/pg", podEndpointURL: "http://pods", region: "r1", caCertificate: "PEM1", pods: podIdentity{keys: podKeys{"A", "S"}},
		client: archive.Config{
			Region: "r1", EndpointURL: "http://here", AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T",
			AssumeRole: archive.AssumeRole{RoleARN: "role1"}, UsePathStyle: &yes, CACertificate: "PEM1",
		},
	}
	tests := map[string]struct {
		override storeOverride
		want     func(*objectStore)
	}{
		"nothing":     {storeOverride{}, func(*objectStore) {}},
		"a path":      {storeOverride{DestinationPath: locationType.value("s3://two")}, func(s *objectStore) { s.destinationPath = "s3://two" }},
		"a region":    {storeOverride{Region: value("r2")}, func(s *objectStore) { s.region, s.client.Region = "r2", "r2" }},
		"pods' alone": {storeOverride{PodEndpointURL: value("http://p2")}, func(s *objectStore) { s.podEndpointURL = "http://p2" }},
		"an endpoint is another store": {storeOverride{EndpointURL: value("https://e2")}, func(s *objectStore) {
			s.client.EndpointURL, s.podEndpointURL = "https://e2", "https://e2"
			s.client.UsePathStyle, s.client.CACertificate, s.caCertificate = nil, "", ""
		}},
		"an endpoint with all of its own": {
			storeOverride{EndpointURL: value("https://e2"), PodEndpointURL: value("https://p2"), CACertificate: value("PEM2"), UsePathStyle: types.BoolValue(true)},
			func(s *objectStore) {
				s.client.EndpointURL, s.podEndpointURL = "https://e2", "https://p2"
				s.client.CACertificate, s.caCertificate = "PEM2", "PEM2"
			},
		},
		"a profile is another identity": {storeOverride{Profile: value("other")}, func(s *objectStore) {
			s.client.Profile, s.client.AccessKeyID, s.client.SecretAccessKey, s.client.SessionToken = "other", "", "", ""
			s.client.AssumeRole = archive.AssumeRole{}
		}},
		"a role": {storeOverride{AssumeRole: &assumeRoleModel{RoleARN: value("role2")}}, func(s *objectStore) {
			s.client.AssumeRole = archive.AssumeRole{RoleARN: "role2"}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := base
			test.want(&want)
			got := base.with(&test.override)
			want.override = got.override
			if got.pods != base.pods {
				t.Error("the pods get another identity")
			}
			pathStyle := func(s *objectStore) string {
				style := "unset"
				if s.client.UsePathStyle != nil {
					style = fmt.Sprint(*s.client.UsePathStyle)
				}
				s.client.UsePathStyle = nil
				return style
			}
			if a, b := pathStyle(got), pathStyle(&want); a != b || *got != want {
				t.Errorf("the store is %q %q %q, %v, path style %s; want %q %q %q, %v, path style %s",
					got.destinationPath, got.podEndpointURL, got.region, got.client, a, want.destinationPath, want.podEndpointURL, want.region, want.client, b)
			}
		})
	}
}
