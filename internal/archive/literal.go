package archive

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of literals; barman writes two levels.
const maxDepth = 32

// pair is an entry of a dictionary.
type pair struct{ key, value any }

// parseLiteral reads the part of Python's literals that barman writes: strings, bytes, numbers, True, False, None, lists, tuples
// and dictionaries. They come back as string (of bytes too), int64, float64, bool, nil, []any and []pair.
func parseLiteral(s string) (any, error) {
	p := literalParser{rest: s}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q behind a Python literal", shorten(p.rest))
	}
	return value, nil
}

type literalParser struct{ rest string }

func (p *literalParser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *literalParser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("a Python literal nested too deeply")
	}
	p.skipSpace()
	if p.rest == "" {
		return nil, errors.New("a Python literal that ends too early")
	}
	switch c := p.rest[0]; {
	case c == '[':
		return p.sequence(']', depth)
	case c == '(':
		return p.sequence(')', depth)
	case c == '{':
		return p.dictionary(depth)
	case c == '\'' || c == '"':
		return p.text()
	case len(p.rest) > 1 && (c == 'u' || c == 'b') && (p.rest[1] == '\'' || p.rest[1] == '"'): // u is Python 2's
		p.rest = p.rest[1:]
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range []struct {
		name  string
		value any
	}{{"None", nil}, {"True", true}, {"False", false}} {
		if rest, ok := strings.CutPrefix(p.rest, word.name); ok {
			p.rest = rest
			return word.value, nil
		}
	}
	return nil, fmt.Errorf("%q is no Python literal", shorten(p.rest))
}

func (p *literalParser) dictionary(depth int) (any, error) {
	p.rest = p.rest[1:]
	pairs := []pair{}
	for {
		p.skipSpace()
		if rest, ok := strings.CutPrefix(p.rest, "}"); ok {
			p.rest = rest
			return pairs, nil
		}
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.skipSpace()
		rest, ok := strings.CutPrefix(p.rest, ":")
		if !ok {
			return nil, errors.New("a Python dictionary without a colon behind a key")
		}
		p.rest = rest
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{key, value})
		p.skipSpace()
		if rest, ok := strings.CutPrefix(p.rest, ","); ok {
			p.rest = rest
		} else if !strings.HasPrefix(p.rest, "}") {
			return nil, errors.New("a Python dictionary without a comma between its entries")
		}
	}
}

func (p *literalParser) sequence(end byte, depth int) (any, error) {
	p.rest = p.rest[1:]
	items := []any{}
	for {
		p.skipSpace()
		if p.rest == "" {
			return nil, errors.New("a Python list that ends too early")
		}
		if p.rest[0] == end {
			p.rest = p.rest[1:]
			return items, nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		p.skipSpace()
		if strings.HasPrefix(p.rest, ",") {
			p.rest = p.rest[1:]
		} else if p.rest == "" || p.rest[0] != end {
			return nil, errors.New("a Python list without a comma between its items")
		}
	}
}

func (p *literalParser) number() (any, error) {
	n := 1
	for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || strings.IndexByte(".eE", p.rest[n]) >= 0 ||
		strings.IndexByte("+-", p.rest[n]) >= 0 && strings.IndexByte("eE", p.rest[n-1]) >= 0) {
		n++
	}
	text := p.rest[:n]
	p.rest = strings.TrimPrefix(p.rest[n:], "L") // Python 2's long integers
	if strings.ContainsAny(text, ".eE") {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number: %w", text, err)
		}
		return value, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no integer: %w", text, err)
	}
	return value, nil
}

func (p *literalParser) text() (any, error) {
	quote := p.rest[0]
	var out strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case quote:
			p.rest = p.rest[i+1:]
			return out.String(), nil
		case '\\':
			used, err := unescape(&out, p.rest[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		default:
			out.WriteByte(c)
		}
	}
	return nil, errors.New("a Python string that does not end")
}

// unescape writes what the escape sequence behind a backslash stands for and returns its length.
func unescape(out *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New("a Python string that ends in a backslash")
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	switch c := s[0]; c {
	case 'n':
		out.WriteByte('\n')
	case 't':
		out.WriteByte('\t')
	case 'r':
		out.WriteByte('\r')
	case '\\', '\'', '"':
		out.WriteByte(c)
	case 'x', 'u', 'U':
		n := digits[c]
		if len(s) < 1+n {
			return 0, errors.New("a Python string with half an escape sequence")
		}
		code, err := strconv.ParseUint(s[1:1+n], 16, 32)
		if err != nil || !utf8.ValidRune(rune(code)) { //nolint:gosec // ValidRune judges it
			return 0, fmt.Errorf("a Python string with the escape sequence \\%s", s[:1+n])
		}
		out.WriteRune(rune(code)) //nolint:gosec // valid, see above
		return 1 + n, nil
	default: // Python keeps a backslash that begins no escape sequence
		out.WriteByte('\\')
		out.WriteByte(c)
	}
	return 1, nil
}
