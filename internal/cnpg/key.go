package cnpg

import (
	"fmt"
	"strings"
)

// Key is the namespace and name of an object; written namespace/name, it is the ID of the provider's resources.
type Key struct {
	Namespace string
	Name      string
}

// String is namespace/name, or the name alone for objects that have no namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// ParseKey reads namespace/name.
func ParseKey(id string) (Key, error) {
	namespace, name, ok := strings.Cut(id, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return Key{}, fmt.Errorf("%q is not of the form namespace/name", id)
	}
	return Key{Namespace: namespace, Name: name}, nil
}
