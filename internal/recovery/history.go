package recovery

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Switch is one line of a timeline's history: the parent timeline was left at this location.
type Switch struct {
	Parent uint32
	At     LSN
	Reason string
}

// History is a timeline's ancestry, oldest first, as its .history file tells it.
type History struct {
	Timeline uint32
	// File is the name of the file, with the suffix of its compression.
	File     string
	Switches []Switch
	// Message says why the file could not be read; Switches is then empty.
	Message string
}

// ParseHistory reads the content of <timeline>.history: lines "parent TAB location TAB reason", # comments.
// It refuses what PostgreSQL refuses: fields missing, timelines that do not grow.
func ParseHistory(timeline uint32, content []byte) (History, error) {
	h := History{Timeline: timeline}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return History{}, fmt.Errorf("line %d of the history of timeline %d has no location: %q", n, timeline, line)
		}
		parent, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return History{}, fmt.Errorf("line %d of the history of timeline %d: %q is no timeline", n, timeline, fields[0])
		}
		at, err := ParseLSN(fields[1])
		if err != nil {
			return History{}, fmt.Errorf("line %d of the history of timeline %d: %w", n, timeline, err)
		}
		s := Switch{Parent: uint32(parent), At: at, Reason: strings.Join(fields[2:], " ")}
		if len(h.Switches) > 0 {
			last := h.Switches[len(h.Switches)-1]
			if s.Parent <= last.Parent || s.At < last.At {
				return History{}, fmt.Errorf("line %d of the history of timeline %d goes back from timeline %d at %s to %d at %s",
					n, timeline, last.Parent, last.At, s.Parent, s.At)
			}
		}
		if s.Parent >= timeline {
			return History{}, fmt.Errorf("line %d of the history of timeline %d names %d as its ancestor", n, timeline, s.Parent)
		}
		h.Switches = append(h.Switches, s)
	}
	if err := lines.Err(); err != nil {
		return History{}, fmt.Errorf("reading the history of timeline %d: %w", timeline, err)
	}
	return h, nil
}
