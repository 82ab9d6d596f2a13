// Package state knows where the one platform of this machine keeps what it is made of while it runs, who
// works on it just now, and what was started. All of it goes when the platform is brought down.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// EnvDir overrides the folder of the state.
const EnvDir = "PGPLATFORM_STATE"

// longestDir leaves room for the names of Unix sockets below it, which may have 107 characters.
const longestDir = 60

// Dir is the folder of the platform's state, an absolute path.
type Dir string

// Open returns $PGPLATFORM_STATE, else pgplatform in $XDG_STATE_HOME or ~/.local/state. Nothing is made yet.
func Open() (Dir, error) {
	dir := os.Getenv(EnvDir)
	if dir == "" {
		base := os.Getenv("XDG_STATE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("find the state folder: %w (set %s)", err, EnvDir)
			}
			base = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(base, "pgplatform")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if len(dir) > longestDir {
		return "", fmt.Errorf("the state folder's path %s has more than %d characters, too many for the sockets in it: set %s to a shorter one",
			dir, longestDir, EnvDir)
	}
	return Dir(dir), nil
}

// Path joins names to the folder.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Kubeconfig is the file that reaches the cluster.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Engine is the folder of the private Docker engine.
func (d Dir) Engine() string { return d.Path("engine") }

// Remove deletes the whole folder.
func (d Dir) Remove() error { return os.RemoveAll(string(d)) }

// Record tells what was started, for the next command and for people.
type Record struct {
	// Images is "built" or "pulled".
	Images string `json:"images"`
	// NodeImage is the reference of the image that the cluster's node runs.
	NodeImage string `json:"nodeImage,omitempty"`
	// Recipe identifies everything that the running platform was made from.
	Recipe string `json:"recipe,omitempty"`
	// DockerHost is the address of the Docker engine, empty for the surroundings' own.
	DockerHost string `json:"dockerHost,omitempty"`
	// Address is where the host reaches the API server and the published ports.
	Address string `json:"address,omitempty"`
	// Temporary is set while the platform is up only for commands that hold it: the last of them takes it down.
	Temporary bool `json:"temporary,omitempty"`
	// ClusterMade is set once kind has made the cluster to the end; without it the cluster is made anew.
	ClusterMade bool `json:"clusterMade"`
	// Complete is set once everything ran, and cleared while something is being changed.
	Complete bool `json:"complete"`
	// Since is when the platform was first complete.
	Since time.Time `json:"since,omitzero"`
}

func (d Dir) recordFile() string { return d.Path("platform.json") }

// Load reads the record. Where nothing was started it returns nil and no error.
func (d Dir) Load() (*Record, error) {
	b, err := os.ReadFile(d.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was started: %w", err)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read what was started from %s: %w (bring the platform down to begin anew)", d.recordFile(), err)
	}
	return &r, nil
}

// Save replaces the record in one go, so that a reader never sees half of it.
func (d Dir) Save(r *Record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	partial := d.recordFile() + ".partial"
	if err := os.WriteFile(partial, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write what was started: %w", err)
	}
	return os.Rename(partial, d.recordFile())
}
