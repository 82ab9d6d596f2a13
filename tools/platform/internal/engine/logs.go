package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// lastWords tell why the engine ended: what its first process said last and, where dockerd had begun, what that said.
func (e Engine) lastWords() string {
	words := lastLine(e.supervisorLog())
	if strings.Contains(words, "dockerd ended") { // else the log of dockerd is that of an earlier run
		words += ": " + lastLine(e.daemonLog())
	}
	return words
}

// lastLine is the last line of a log, or why there is none.
func lastLine(log string) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(b))
	return text[strings.LastIndex(text, "\n")+1:]
}
