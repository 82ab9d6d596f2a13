// Package loop sees the machine's loop devices, which no namespace hides.
package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Devices are the machine's loop devices by number, each with the file behind it, empty where nothing is.
type Devices map[int]string

// List looks at the machine now. Where there are no loop devices it sees none.
func List() (Devices, error) { return list("/sys/block") }

func list(dir string) (Devices, error) {
	all, err := filepath.Glob(filepath.Join(dir, "loop*"))
	if err != nil {
		return nil, err
	}
	seen := Devices{}
	for _, path := range all {
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "loop"))
		if err != nil {
			continue
		}
		file, err := os.ReadFile(filepath.Join(path, "loop", "backing_file"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look at the loop device %d: %w", number, err)
		}
		seen[number] = strings.TrimSpace(string(file))
	}
	return seen, nil
}
