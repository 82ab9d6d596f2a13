package s3test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const modifiedFormat = "2006-01-02T15:04:05.000Z"

type xmlError struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

type xmlBuckets struct {
	XMLName xml.Name    `xml:"ListAllMyBucketsResult"`
	Buckets []xmlBucket `xml:"Buckets>Bucket"`
}

type xmlBucket struct {
	Name string
}

type xmlList struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	MaxKeys               int
	KeyCount              int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	// Entries are Contents and CommonPrefixes, written out: there may be very many, and encoding/xml takes its time.
	Entries string `xml:",innerxml"`
}

func special(r rune) bool {
	return r < ' ' || r > '~' || r == '&' || r == '<' || r == '>' || r == '"' || r == '\''
}

// text is a key as S3 writes it: characters that XML 1.0 cannot hold become references that no parser takes.
func text(s string) string {
	if !strings.ContainsFunc(s, special) {
		return s // as nearly all are
	}
	var b strings.Builder
	for _, r := range s {
		if r < ' ' {
			fmt.Fprintf(&b, "&#x%x;", r)
			continue
		}
		_ = xml.EscapeText(&b, []byte(string(r))) // a strings.Builder does not fail
	}
	return b.String()
}

// refuse writes an error as S3 does: without a body for HEAD.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead && code != "" {
		_ = xml.NewEncoder(w).Encode(xmlError{Code: code, Message: message}) // the client may have gone
	}
}

func writeXML(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v) // the client may have gone
}

func bucketsResult(names []string) xmlBuckets {
	var out xmlBuckets
	for _, n := range names {
		out.Buckets = append(out.Buckets, xmlBucket{Name: n})
	}
	return out
}

// listResult is one page of ListObjectsV2. The continuation token is the last key or common prefix of the page before.
func listResult(b *bucket, q url.Values, plain bool) xmlList {
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	limit := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil && n < limit {
		limit = n
	}
	encode := func(s string) string { return s }
	out := xmlList{MaxKeys: limit}
	if q.Get("encoding-type") == "url" && !plain {
		out.EncodingType = "url"
		encode = func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
	}
	out.Prefix, out.Delimiter, out.StartAfter = encode(prefix), encode(delimiter), encode(q.Get("start-after"))
	keys := b.sorted()
	at := firstBehind(keys, q.Get("start-after"), false)
	if token := q.Get("continuation-token"); token != "" {
		at = firstBehind(keys, token, delimiter != "" && strings.HasSuffix(token, delimiter))
	}
	if from, _ := slices.BinarySearch(keys, prefix); from > at {
		at = from
	}
	var entries strings.Builder
	last := ""
	for at < len(keys) && strings.HasPrefix(keys[at], prefix) {
		if out.KeyCount == limit {
			out.IsTruncated, out.NextContinuationToken = true, last
			break
		}
		out.KeyCount++
		key := keys[at]
		if head, _, ok := strings.Cut(key[len(prefix):], delimiter); ok && delimiter != "" {
			last = prefix + head + delimiter
			entries.WriteString("<CommonPrefixes><Prefix>" + text(encode(last)) + "</Prefix></CommonPrefixes>")
			at = firstBehind(keys, last, true)
			continue
		}
		last = key
		o := b.objects[key]
		entries.WriteString("<Contents><Key>" + text(encode(key)) + "</Key><LastModified>" + o.modified.UTC().Format(modifiedFormat) +
			"</LastModified><Size>" + strconv.FormatInt(o.size, 10) + "</Size></Contents>")
		at++
	}
	out.Entries = entries.String()
	return out
}

// firstBehind is the index of the first key that sorts behind after; with whole, of the first that does not begin
// with it either.
func firstBehind(keys []string, after string, whole bool) int {
	n, _ := slices.BinarySearchFunc(keys, after, func(key, after string) int {
		if key <= after || whole && strings.HasPrefix(key, after) {
			return -1
		}
		return 1
	})
	if after == "" {
		return 0
	}
	return n
}
