package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// CopyLogs copies the engine's logs to dir.
func (e Engine) CopyLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, log := range []string{e.daemonLog(), e.daemonLog() + ".before", e.supervisorLog()} {
		b, err := os.ReadFile(log)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(log)), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
