package workload

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/store"
)

// credentials are the keys of the platform's S3 accounts, made up once for each platform.
type credentials struct {
	// LocalStack accepts any keys; these are the ones that everybody uses.
	LocalStack store.Account `json:"localStack"`
	// StrictRoot administers versitygw; Strict and StrictOther are two of its accounts, each with its own bucket.
	StrictRoot  store.Account `json:"strictRoot"`
	Strict      store.Account `json:"strict"`
	StrictOther store.Account `json:"strictOther"`
}

// loadCredentials reads the keys from the file, which is made where there is none.
func loadCredentials(file string) (credentials, error) {
	return loadOnce(file, "the platform's keys", func() (credentials, error) {
		return credentials{
			LocalStack: newAccount(), StrictRoot: newAccount(), Strict: newAccount(), StrictOther: newAccount(),
		}, nil
	})
}

func newAccount() store.Account {
	return store.Account{AccessKeyID: randomKey(20), SecretAccessKey: randomKey(40)}
}

// randomKey is made of lower-case letters and digits, beginning with a letter: LocalStack takes keys of capitals
// that begin as AWS's do, and numbers, for the names of other AWS accounts.
func randomKey(length int) string {
	const letters, all = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789"
	key := make([]byte, 0, length)
	for len(key) < length {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails
		alphabet := all
		if len(key) == 0 {
			alphabet = letters
		}
		// Bytes past the last whole multiple would make the first characters likelier.
		if n := len(alphabet); int(b[0]) < 256/n*n {
			key = append(key, alphabet[int(b[0])%n])
		}
	}
	return string(key)
}

// loadOnce reads what a file holds. Where there is no file, what makeUp makes up is written to it.
func loadOnce[T any](file, what string, makeUp func() (T, error)) (T, error) {
	var v T
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if v, err = makeUp(); err != nil {
			return v, err
		}
		return v, writeJSON(file, v)
	}
	if err != nil {
		return v, fmt.Errorf("read %s: %w", what, err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("read %s from %s: %w", what, file, err)
	}
	return v, nil
}

// writeJSON writes the file whole or not at all, readable by its owner only.
func writeJSON(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	partial := file + ".partial"
	if err := os.WriteFile(partial, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(partial, file)
}
