package recovery

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a byte position in PostgreSQL's write-ahead log.
type LSN uint64

// ParseLSN reads the form that PostgreSQL prints: two hexadecimal halves of at most 32 bits, such as "16/B374D848".
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("%q is no WAL location: want two hexadecimal numbers such as 16/B374D848", s)
	}
	h, err := parseHex32(high)
	if err != nil {
		return 0, fmt.Errorf("%q is no WAL location: %w", s, err)
	}
	l, err := parseHex32(low)
	if err != nil {
		return 0, fmt.Errorf("%q is no WAL location: %w", s, err)
	}
	return LSN(h)<<32 | LSN(l), nil
}

// String prints the form that PostgreSQL prints.
func (l LSN) String() string {
	return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) //nolint:gosec // the halves are what is wanted
}

// parseHex32 takes one to eight hexadecimal digits and nothing else: no sign, no prefix, no underscore.
func parseHex32(s string) (uint32, error) {
	if s == "" || len(s) > 8 {
		return 0, fmt.Errorf("%q is not one to eight hexadecimal digits", s)
	}
	for i := range len(s) {
		if !isHex(s[i]) {
			return 0, fmt.Errorf("%q is not one to eight hexadecimal digits", s)
		}
	}
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not one to eight hexadecimal digits: %w", s, err)
	}
	return uint32(n), nil
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'F' || b >= 'a' && b <= 'f'
}
