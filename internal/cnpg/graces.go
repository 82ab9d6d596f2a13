package cnpg

import "time"

// Graces are how long waits bear with what may pass by itself.
type Graces struct {
	// Phase is for a phase that healthy Clusters pass through under load.
	Phase time.Duration
	// Archiving is for WAL archiving that fails without a break. PostgreSQL tries three times within some seconds, and then
	// once a minute.
	Archiving time.Duration
	// LookAgain bounds how long a condition that depends on time, such as one of these, goes without being asked.
	LookAgain time.Duration
}

var defaultGraces = Graces{Phase: time.Minute, Archiving: 2 * time.Minute, LookAgain: time.Second}
