// Package oldestcli has nothing but the version of the oldest CLI that the provider is for, in its go.mod.
package oldestcli
