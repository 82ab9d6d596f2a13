// Package release pins goreleaser; go.mod says which.
package release
