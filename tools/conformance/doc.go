// Package conformance holds what the provider sends to Kubernetes against CloudNativePG's operator itself: its types, the
// schemas of its custom resources, its defaults and its checks. The provider is built with the operator's light API module
// alone; the operator is a dependency of this module only.
package conformance
