package provider

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// podIdentity is whom the pods of a database are to S3: one of the three, or, without any, nobody.
type podIdentity struct {
	secret     secretKeys // keys in a Secret that somebody else writes
	iamRoleARN string     // an IAM role of the pods' service account
	keys       podKeys    // keys in the Secret that the provider writes
}

func (i podIdentity) set() bool { return i.secret.name != "" || i.iamRoleARN != "" || i.keys.set() }

// String and GoString keep keys out of anything that prints a struct.
func (i podIdentity) String() string { return "[identity]" }

// GoString is String.
func (i podIdentity) GoString() string { return i.String() }

// secretKeys names a Secret, and where in it the keys stand.
type secretKeys struct{ name, accessKeyID, secretAccessKey string }

// podKeys are the static keys that go into the Secret of a database's pods.
type podKeys struct {
	accessKeyID     string
	secretAccessKey string
}

func (k podKeys) set() bool { return k.accessKeyID != "" && k.secretAccessKey != "" }

// String and GoString keep keys out of anything that prints a struct.
func (k podKeys) String() string { return "[keys]" }

// GoString is String.
func (k podKeys) GoString() string { return k.String() }

// secretData is what the credentials Secret of a database holds: the keys, unless they come from elsewhere, and what CNPG
// takes from Secrets only. Beside an IAM role CNPG passes on no region; EKS gives the pods that of their cluster.
func (s *objectStore) secretData() map[string][]byte {
	data := map[string][]byte{}
	if s.pods.secret.name == "" && s.pods.iamRoleARN == "" {
		data[keyAccessKeyID] = []byte(s.pods.keys.accessKeyID)
		data[keySecretAccessKey] = []byte(s.pods.keys.secretAccessKey)
	}
	if s.region != "" && s.pods.iamRoleARN == "" {
		data[keyRegion] = []byte(s.region)
	}
	if s.caCertificate != "" {
		data[keyCACertificate] = []byte(s.caCertificate)
	}
	return data
}

// fingerprintOf is salt and a truncated keyed hash of what a Secret holds; "" of nothing. It tells a rotated key from the
// one before, and nothing about the key.
func fingerprintOf(data map[string][]byte, salt string) string {
	if len(data) == 0 {
		return ""
	}
	if salt == "" {
		salt = strings.ToLower(rand.Text()[:8])
	}
	mac := hmac.New(sha256.New, []byte(salt))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(mac, "%q %q ", key, data[key])
	}
	return salt + "-" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// matchesFingerprint tells whether a fingerprint was made of this data.
func matchesFingerprint(fingerprint string, data map[string][]byte) bool {
	if len(data) == 0 {
		return fingerprint == ""
	}
	salt, _, ok := strings.Cut(fingerprint, "-")
	return ok && salt != "" && hmac.Equal([]byte(fingerprint), []byte(fingerprintOf(data, salt)))
}
