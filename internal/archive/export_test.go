package archive

import "time"

// WithPatience waits no longer than this for an answer, and for each byte of it.
func WithPatience(c Config, d time.Duration) Config {
	c.patience = d
	return c
}
