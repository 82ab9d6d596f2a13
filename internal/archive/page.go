package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// readPage reads the answer to a listing into p in place of the SDK's decoder, which takes half of all the time that a large
// archive costs a processor. What stores do not write as a rule is left to the SDK; read tells.
func readPage(p *page, read *bool) func(*middleware.Stack) error {
	reader := middleware.DeserializeMiddlewareFunc("ReadPage", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || answer.StatusCode != http.StatusOK {
			return out, metadata, err
		}
		text, err := io.ReadAll(answer.Body)
		if closed := answer.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return out, metadata, fmt.Errorf("reading the listing: %w", err)
		}
		if *p, *read = parsePage(text); *read {
			text = nil
		}
		answer.Body = io.NopCloser(bytes.NewReader(text))
		return out, metadata, nil
	})
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Insert(reader, "OperationDeserializer", middleware.After)
	}
}

// parsePage reads a ListBucketResult as stores write it: plain elements of text and references. False stands for everything else, such
// as characters that XML cannot hold.
func parsePage(text []byte) (page, bool) {
	if !utf8.Valid(text) {
		return page{}, false
	}
	var p pageParser
	var path []string
	leaf := false // nothing but text has come since the last element began
	for rest := string(text); ; {
		value, behind, opens := strings.Cut(rest, "<")
		tag, behind, closes := strings.Cut(behind, ">")
		if !opens || !closes || tag == "" || tag[0] == '!' {
			return page{}, false
		}
		rest = behind
		// Text stands in elements without others alone.
		if blank := strings.TrimSpace(value) == ""; !blank && (tag[0] != '/' || !leaf) {
			return page{}, false
		} else if blank && !leaf {
			value = ""
		}
		if tag[0] == '?' || tag[len(tag)-1] == '/' { // a declaration, or an element that holds nothing
			leaf = false
			continue
		}
		if tag[0] != '/' {
			name := tag
			if end := strings.IndexAny(tag, " \t\r\n"); end > 0 {
				name = tag[:end]
			}
			path, leaf = append(path, name), true
			continue
		}
		depth := len(path)
		if depth == 0 || path[0] != "ListBucketResult" || tag[1:] != path[depth-1] {
			return page{}, false
		}
		if depth == 1 {
			return p.whole()
		}
		if depth <= 3 && !p.take(path[depth-2], path[depth-1], value) {
			return page{}, false
		}
		path, leaf = path[:depth-1], false
	}
}

// pageParser is what was read so far.
type pageParser struct {
	page
	object    object
	encoding  string
	truncated bool
}

// take takes over an element's value, if it is one of those that are asked for; false where it cannot be read.
func (p *pageParser) take(parent, name, value string) (ok bool) {
	var err error
	ok = true
	switch parent + "/" + name {
	case "Contents/Key":
		p.object.key, ok = plainText(value)
	case "Contents/Size":
		p.object.bytes, err = strconv.ParseInt(value, 10, 64)
	case "Contents/LastModified":
		p.object.modified, err = time.Parse(time.RFC3339, value)
	case "ListBucketResult/Contents":
		p.objects = append(p.objects, p.object)
		p.object = object{}
	case "CommonPrefixes/Prefix":
		var folder string
		folder, ok = plainText(value)
		p.folders = append(p.folders, folder)
	case "ListBucketResult/IsTruncated":
		p.truncated = value == "true"
	case "ListBucketResult/NextContinuationToken":
		p.next, ok = plainText(value)
	case "ListBucketResult/EncodingType":
		p.encoding = value
	}
	return ok && err == nil
}

// whole is the page when all of it has been read.
func (p *pageParser) whole() (page, bool) {
	if !p.truncated {
		p.next = ""
	}
	if p.encoding == string(types.EncodingTypeUrl) {
		for i := range p.objects {
			p.objects[i].key = unescaped(p.objects[i].key)
		}
		for i := range p.folders {
			p.folders[i] = unescaped(p.folders[i])
		}
	}
	return p.page, true
}

// unescaped undoes the URL encoding of a key.
func unescaped(key string) string {
	if plain, err := url.QueryUnescape(key); err == nil {
		return plain
	}
	return key
}

var references = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// plainText is the text in an element; false where it holds what XML does not know or does not keep.
func plainText(value string) (string, bool) {
	if strings.Contains(value, "]]>") {
		return "", false
	}
	if strings.IndexFunc(value, func(r rune) bool { return r == '&' || !inXML(r) || r == '\r' }) < 0 {
		return strings.Clone(value), true // the page is not to be kept for it
	}
	var plain strings.Builder
	for {
		before, behind, more := strings.Cut(value, "&")
		if strings.ContainsFunc(before, func(r rune) bool { return !inXML(r) || r == '\r' }) {
			return "", false
		}
		plain.WriteString(before)
		if !more {
			return plain.String(), true
		}
		name, rest, ends := strings.Cut(behind, ";")
		r, known := references[name]
		if number, numeric := strings.CutPrefix(name, "#"); numeric {
			base := 10
			if hex, is := strings.CutPrefix(number, "x"); is {
				number, base = hex, 16
			}
			code, err := strconv.ParseInt(number, base, 32)
			r, known = rune(code), err == nil && inXML(rune(code))
		}
		if !ends || !known {
			return "", false
		}
		plain.WriteRune(r)
		value = rest
	}
}

// inXML tells whether a text in XML may hold a character.
func inXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
