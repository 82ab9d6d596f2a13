// Package versions names, in one place, every version that the platform is made of.
package versions

import (
	"cmp"
	"os"
)

const (
	// Kubernetes is the version of every Kubernetes binary and control-plane image.
	Kubernetes = "v1.36.3"
	// NodeImage is kind's image of a node of that minor version, for a platform whose images are pulled.
	NodeImage = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"
	// Kind is the version of sigs.k8s.io/kind, whose base files make the node image.
	Kind = "v0.33.0"
	// LocalPathProvisioner is the version of the storage provisioner.
	LocalPathProvisioner = "v0.0.30"
	// CloudNativePG is the version of the operator.
	CloudNativePG = "1.30.0"
	// BarmanCloudPlugin is the version of the operator's plugin for backups.
	BarmanCloudPlugin = "v0.14.0"
	// LocalStack is the version of localstack-core; its whole set of packages is pinned beside the image's recipe.
	LocalStack = "4.13.1"
	// VersityGW is the version of the S3 server that is strict about keys.
	VersityGW = "v1.8.0"
)

// EnvCloudNativePG names another version of the operator, for a platform whose images are pulled.
const EnvCloudNativePG = "PGPLATFORM_CNPG_VERSION"

// Operator is the version of the operator that the platform gets: the pinned one, or what the environment asks for.
func Operator() string { return cmp.Or(os.Getenv(EnvCloudNativePG), CloudNativePG) }
