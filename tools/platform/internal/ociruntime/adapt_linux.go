package ociruntime

import (
	"encoding/json"
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const sysResource = "CAP_SYS_RESOURCE"

// Limits is what a process here may give to a container.
type Limits struct {
	// SysResource tells whether the bounding set has CAP_SYS_RESOURCE. With it nothing below binds.
	SysResource bool
	// OOMScoreAdj is the current process's: without the capability nobody gets less.
	OOMScoreAdj int
	// Hard gives the hard limit of a resource such as "RLIMIT_NOFILE", if that is known.
	Hard func(resource string) (uint64, bool)
}

// object is a JSON object whose unknown fields survive being changed.
type object map[string]json.RawMessage

// AdaptConfig changes the config.json of a bundle: its process as AdaptProcess does, and it adds hook to those
// that run in the container's mount namespace before its root is pivoted.
func AdaptConfig(config []byte, limits Limits, hook specs.Hook) ([]byte, error) {
	var c object
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("read the container's configuration: %w", err)
	}
	if process, ok := c["process"]; ok {
		adapted, err := AdaptProcess(process, limits)
		if err != nil {
			return nil, err
		}
		c["process"] = adapted
	}
	if err := edit(c, "hooks", true, func(hooks *object) error {
		if *hooks == nil {
			*hooks = object{}
		}
		return edit(*hooks, "createContainer", true, func(all *[]specs.Hook) error {
			*all = append(*all, hook)
			return nil
		})
	}); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// AdaptProcess takes from an OCI process what cannot be given here: CAP_SYS_RESOURCE, an OOM score adjustment
// below the current one, resource limits above the current hard ones.
func AdaptProcess(process []byte, limits Limits) ([]byte, error) {
	if limits.SysResource {
		return process, nil
	}
	var p object
	if err := json.Unmarshal(process, &p); err != nil {
		return nil, fmt.Errorf("read the container's process: %w", err)
	}
	err := edit(p, "capabilities", false, func(sets *map[string][]string) error {
		for name, set := range *sets {
			(*sets)[name] = slices.DeleteFunc(set, func(c string) bool { return c == sysResource })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = edit(p, "oomScoreAdj", false, func(adj *int) error {
		*adj = max(*adj, limits.OOMScoreAdj)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = edit(p, "rlimits", false, func(rlimits *[]specs.POSIXRlimit) error {
		for i := range *rlimits {
			l := &(*rlimits)[i]
			if hard, known := limits.Hard(l.Type); known {
				l.Hard, l.Soft = min(l.Hard, hard), min(l.Soft, hard)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// edit decodes one field, lets change at it and puts it back. Without create a field that is absent or null
// stays so.
func edit[T any](o object, field string, create bool, change func(*T) error) error {
	var v T
	raw, ok := o[field]
	if !create && (!ok || string(raw) == "null") {
		return nil
	}
	if ok {
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("read the field %s: %w", field, err)
		}
	}
	if err := change(&v); err != nil {
		return err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	o[field] = raw
	return nil
}

var rlimits = map[string]int{
	"RLIMIT_AS":      unix.RLIMIT_AS,
	"RLIMIT_CORE":    unix.RLIMIT_CORE,
	"RLIMIT_CPU":     unix.RLIMIT_CPU,
	"RLIMIT_DATA":    unix.RLIMIT_DATA,
	"RLIMIT_FSIZE":   unix.RLIMIT_FSIZE,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_NOFILE":  unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC":   unix.RLIMIT_NPROC,
	"RLIMIT_RSS":     unix.RLIMIT_RSS,
	"RLIMIT_STACK":   unix.RLIMIT_STACK,
}
