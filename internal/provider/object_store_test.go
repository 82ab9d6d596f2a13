package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	keys := podKeys{"AKIAEXAMPLE", "a-secret-access-key"}
	made := fingerprintOf(keys, "eu-west-1", "")
	if !matchesFingerprint(made, keys, "eu-west-1") {
		t.Errorf("%q does not match what it was made of", made)
	}
	for name, other := range map[string]struct {
		keys   podKeys
		region string
	}{
		"another key":    {podKeys{"AKIAOTHER", "a-secret-access-key"}, "eu-west-1"},
		"another secret": {podKeys{"AKIAEXAMPLE", "another-secret"}, "eu-west-1"},
		"another region": {keys, "us-east-1"},
		// Where one value ends and the next begins counts.
		"values moved": {podKeys{"AKIAEXAMPLE a-secret", "-access-key"}, "eu-west-1"},
	} {
		if matchesFingerprint(made, other.keys, other.region) {
			t.Errorf("%s: %q matches", name, made)
		}
	}
	for _, broken := range []string{"", "-", "nonsense", made[:len(made)-1], strings.ToUpper(made)} {
		if matchesFingerprint(broken, keys, "eu-west-1") {
			t.Errorf("%q matches", broken)
		}
	}
	if again := fingerprintOf(keys, "eu-west-1", ""); again == made {
		t.Error("two fingerprints of the same keys are equal: they are not salted, and tell who uses the same keys")
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	keys := podKeys{"AKIAEXAMPLE", "a-secret-access-key"}
	store := &objectStore{podKeys: keys}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{keys, &keys, store, *store} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, "a-secret-access-key") {
				t.Errorf("%s of %T prints a key", format, value)
			}
		}
	}
}

// Only keys that do not expire reach the pods.
func TestPodKeys(t *testing.T) {
	t.Parallel()
	value := types.StringValue
	tests := map[string]struct {
		store providerObjectStore
		want  podKeys
	}{
		"static keys": {providerObjectStore{AccessKeyID: value("A"), SecretAccessKey: value("S")}, podKeys{"A", "S"}},
		"pod_credentials beat them": {
			providerObjectStore{AccessKeyID: value("A"), SecretAccessKey: value("S"), PodCredentials: &podCredentialsModel{value("PA"), value("PS")}},
			podKeys{"PA", "PS"},
		},
		"temporary keys": {providerObjectStore{AccessKeyID: value("A"), SecretAccessKey: value("S"), SessionToken: value("T")}, podKeys{}},
		"temporary keys beside pod_credentials": {
			providerObjectStore{AccessKeyID: value("A"), SecretAccessKey: value("S"), SessionToken: value("T"), PodCredentials: &podCredentialsModel{value("PA"), value("PS")}},
			podKeys{"PA", "PS"},
		},
		"a profile": {providerObjectStore{Profile: value("prod")}, podKeys{}},
		"nothing":   {providerObjectStore{}, podKeys{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newObjectStore(&test.store)
			if store.podKeys != test.want {
				t.Error("the pods get other keys") // which ones is not printed
			}
			if store.podKeys.set() != (test.want != podKeys{}) {
				t.Errorf("set: %t", store.podKeys.set())
			}
		})
	}
}
