// Package release tests what a release is made of: its files as a registry asks for them, and that Terraform and OpenTofu
// install the provider from them and run it. It holds nothing but tests.
package release
