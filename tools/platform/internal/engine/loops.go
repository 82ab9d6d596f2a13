package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/loop"
)

// loopsFile notes which loop devices the machine had before the engine: those of volumes in it are the machine's.
func (e Engine) loopsFile() string { return filepath.Join(e.Dir, "loop-devices.json") }

func (e Engine) noteLoops() error {
	before, err := loop.List()
	if err != nil {
		return err
	}
	b, err := json.Marshal(before)
	if err != nil {
		return err
	}
	return os.WriteFile(e.loopsFile(), b, 0o600)
}

// removeLoops removes the loop devices that the machine did not have before. The kernel has taken their files away with
// the last mount, or is about to; those that others have begun to use meanwhile stay.
func (e Engine) removeLoops(ctx context.Context) error {
	b, err := os.ReadFile(e.loopsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var before loop.Devices
	if err := json.Unmarshal(b, &before); err != nil {
		return fmt.Errorf("read which loop devices there were: %w", err)
	}
	err = poll(ctx, 5*time.Second, func() (bool, error) {
		now, err := loop.List()
		if err != nil {
			return false, err
		}
		free := true
		for number, file := range now {
			was, there := before[number]
			if file != "" && file != was {
				free = false
			} else if !there {
				if err := loop.Remove(number); err != nil {
					return false, err
				}
			}
		}
		return free, nil
	})
	if err != nil && !errors.Is(err, errNotYet) {
		return err
	}
	return os.Remove(e.loopsFile())
}
