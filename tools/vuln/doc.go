// Package vuln has nothing but a go.mod that pins govulncheck.
package vuln
