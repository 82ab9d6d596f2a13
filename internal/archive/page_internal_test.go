package archive

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// pageOf is what the library for XML reads.
func pageOf(t *testing.T, text string) (page, bool) {
	t.Helper()
	var whole struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Next        string `xml:"NextContinuationToken"`
		Contents    []struct {
			Key          string
			LastModified time.Time
			Size         int64
		}
		CommonPrefixes []struct{ Prefix string }
	}
	if xml.Unmarshal([]byte(text), &whole) != nil {
		return page{}, false
	}
	var p page
	for _, o := range whole.Contents {
		p.objects = append(p.objects, object{key: o.Key, bytes: o.Size, modified: o.LastModified})
	}
	for _, f := range whole.CommonPrefixes {
		p.folders = append(p.folders, f.Prefix)
	}
	if whole.IsTruncated {
		p.next = whole.Next
	}
	return p, true
}

// answer is a page as Amazon writes it.
func answer(key, folder, token string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>backups</Name><Prefix/><StartAfter></StartAfter><NextContinuationToken>%s</NextContinuationToken>`+
		`<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>`+
		`<Contents><Key>%s</Key><LastModified>2026-03-26T14:20:40.000Z</LastModified><ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>16777216</Size>`+
		`<Owner><ID>1</ID><DisplayName>Key</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>`+
		"\n  <Contents>\n    <Key>b</Key>\n    <LastModified>2026-03-26T14:20:41Z</LastModified>\n    <Size>0</Size>\n  </Contents>\n"+
		`<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes></ListBucketResult>`, token, key, folder)
}

func FuzzParsePage(f *testing.F) {
	for _, seed := range []string{
		"pg/my-db/wals/0000000100000000/000000010000000000000001", "a b+c%20d", "&amp;&lt;&gt;&quot;&apos;", "&#13;&#x1F600;&#233;", "p\u00e4th/\u65e5\u672c", "&#x1;", "&nbsp;", "&",
		"\x01", "\xff", "<b>x</b>", "<!-- x -->", "<![CDATA[x]]>", "</Key><Key>", "</Contents></ListBucketResult>", " a\tb\n ", "\r\n",
	} {
		f.Add(seed, seed+"/", "token")
		f.Add("key", "folder/", seed)
	}
	f.Fuzz(func(t *testing.T, key, folder, token string) {
		text := answer(key, folder, token)
		got, ok := parsePage([]byte(text))
		if !ok {
			return // it is left to the SDK
		}
		want, valid := pageOf(t, text)
		if !valid || !slices.EqualFunc(got.objects, want.objects, func(a, b object) bool {
			return a.key == b.key && a.bytes == b.bytes && a.modified.Equal(b.modified)
		}) || !slices.Equal(got.folders, want.folders) || got.next != want.next {
			t.Errorf("%q:\ngot  %+v\nwant %+v, %t", text, got, want, valid)
		}
	})
}

// What stores write is read without the SDK, and what is cut off is not taken for whole.
func TestParsePage(t *testing.T) {
	t.Parallel()
	plain := answer("pg/my db/wals/&amp;&#x2F;1", "pg/", "abc=")
	p, ok := parsePage([]byte(plain))
	if !ok || len(p.objects) != 2 || p.objects[0].key != "pg/my db/wals/&/1" || p.objects[0].bytes != 16<<20 || !slices.Equal(p.folders, []string{"pg/"}) || p.next != "abc=" {
		t.Errorf("got %+v, %t", p, ok)
	}
	if p, ok := parsePage([]byte(strings.Replace(plain, "<Name>", "<EncodingType>url</EncodingType><Name>", 1))); !ok || p.objects[0].key != "pg/my db/wals/&/1" {
		t.Errorf("got %+v, %t", p, ok)
	}
	for cut := range len(plain) - 1 {
		if p, ok := parsePage([]byte(plain[:cut])); ok {
			t.Fatalf("%q is taken for a page: %+v", plain[:cut], p)
		}
	}
	for _, other := range []string{"", "<Error><Code>AccessDenied</Code></Error>", "<html><body>welcome</body></html>", "<ListBucketResult/>"} {
		if p, ok := parsePage([]byte(other)); ok {
			t.Errorf("%q is taken for a page: %+v", other, p)
		}
	}
}
