package provider

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// postgresDuration is a number with one of PostgreSQL's units of time; without one it counts seconds, as archive_timeout
// does.
var postgresDuration = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|h|d)?$`)

// microseconds of each unit that PostgreSQL knows.
var microseconds = map[string]int64{"us": 1, "ms": 1e3, "": 1e6, "s": 1e6, "min": 60e6, "h": 3600e6, "d": 86400e6}

// maxArchiveTimeout is PostgreSQL's bound for archive_timeout, in seconds.
const maxArchiveTimeout = 1073741823

// parseDuration reads a duration as PostgreSQL writes it, in microseconds.
func parseDuration(s string) (*big.Rat, error) {
	match := postgresDuration.FindStringSubmatch(strings.TrimSpace(s))
	if match == nil {
		return nil, fmt.Errorf("%q is no duration: write a number with a unit of PostgreSQL's, such as 30s, 5min or 1h", s)
	}
	count, ok := new(big.Rat).SetString(match[1])
	if !ok {
		return nil, fmt.Errorf("%q is no duration", s)
	}
	return count.Mul(count, new(big.Rat).SetInt64(microseconds[match[2]])), nil
}

func isDuration() validator.String {
	return parses{"a duration such as 5min", func(s string) error {
		duration, err := parseDuration(s)
		if err != nil {
			return err
		}
		if most := new(big.Rat).SetInt64(maxArchiveTimeout * microseconds["s"]); duration.Cmp(most) > 0 {
			return fmt.Errorf("%q is more than PostgreSQL takes, %d seconds", s, maxArchiveTimeout)
		}
		return nil
	}}
}
