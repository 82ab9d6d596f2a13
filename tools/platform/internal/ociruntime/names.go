// Package ociruntime stands before runc. Where the machine withholds CAP_SYS_RESOURCE, as some sandboxes do
// even from root, runc cannot start what Docker asks for; here the bundle is changed to what can be given.
// It also keeps containers, a kind node above all, from changing the host's kernel settings.
package ociruntime

const (
	// Name is what the program must be called as to act as the runtime: dockerd passes no subcommand of ours.
	Name = "pgplatform-runc"
	// GuardName is what the program is called as when it is to act as the hook.
	GuardName = "pgplatform-guard"
)
