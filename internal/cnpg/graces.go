package cnpg

import "time"

// Graces are how long waits bear with what may pass by itself.
type Graces struct {
	// Phase is for a phase that healthy Clusters pass through under load.
	Phase time.Duration
	// Plugin is for a plugin that CNPG does not know, which it looks for every ten seconds: right after its own start it may see a Cluster
	// before it has seen the plugin.
	Plugin time.Duration
	// Restart is for a phase that ends when the kubelet starts a container again, or when CNPG asks a plugin again, which both put off
	// for longer each time.
	Restart time.Duration
	// Archiving is for WAL archiving that fails without a break. PostgreSQL tries three times within some seconds, and then
	// once a minute.
	Archiving time.Duration
	// LookAgain bounds how long a condition that depends on time, such as one of these, goes without being asked.
	LookAgain time.Duration
	// Progress is how long a wait goes on without telling how it stands, where nothing changes.
	Progress time.Duration
}

// DefaultGraces are those of a new client.
var DefaultGraces = Graces{Phase: time.Minute, Plugin: 15 * time.Second, Restart: 6 * time.Minute, Archiving: 2 * time.Minute, LookAgain: time.Second, Progress: 10 * time.Second}
