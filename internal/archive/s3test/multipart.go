package s3test

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// upload is an object that comes in parts.
type upload struct {
	bucket, key string
	parts       map[int][]byte
}

// Uploads are the keys of objects in a bucket of which parts have come, and that were neither completed nor given up: listings do not
// show them, and AWS has them paid.
func (s *Server) Uploads(bucket string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, u := range s.uploads {
		if u.bucket == bucket {
			keys = append(keys, u.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// uploadOp is the operation of a request for an object that comes in parts; "" of another one.
func uploadOp(method string, q url.Values) string {
	switch {
	case method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case !q.Has("uploadId"):
		return ""
	}
	return map[string]string{
		http.MethodPut: "UploadPart", http.MethodPost: "CompleteMultipartUpload", http.MethodDelete: "AbortMultipartUpload",
	}[method]
}

type xmlUpload struct {
	XMLName     xml.Name
	Bucket, Key string
	UploadID    string `xml:"UploadId,omitempty"`
	ETag        string `xml:",omitempty"`
}

// answerUpload answers a request for an object that comes in parts. The server is locked.
func (s *Server) answerUpload(w http.ResponseWriter, r *http.Request, d Request, body []byte) {
	id := r.URL.Query().Get("uploadId")
	if d.Op == "CreateMultipartUpload" {
		s.begun++
		id = fmt.Sprintf("upload-%d", s.begun)
		s.uploads[id] = &upload{bucket: d.Bucket, key: d.Key, parts: map[int][]byte{}}
		writeXML(w, xmlUpload{XMLName: xml.Name{Local: "InitiateMultipartUploadResult"}, Bucket: d.Bucket, Key: d.Key, UploadID: id})
		return
	}
	u := s.uploads[id]
	if u == nil || u.bucket != d.Bucket || u.key != d.Key {
		refuse(w, r, http.StatusNotFound, "NoSuchUpload", "The specified multipart upload does not exist.")
		return
	}
	switch d.Op {
	case "UploadPart":
		number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
		if err != nil {
			refuse(w, r, http.StatusBadRequest, "InvalidArgument", err.Error())
			return
		}
		u.parts[number] = body
		w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, id, number))
	case "CompleteMultipartUpload":
		var whole []byte
		for _, number := range slices.Sorted(maps.Keys(u.parts)) {
			whole = append(whole, u.parts[number]...)
		}
		s.bucket(d.Bucket).put(d.Key, object{body: whole, size: int64(len(whole)), modified: time.Now()})
		delete(s.uploads, id)
		writeXML(w, xmlUpload{XMLName: xml.Name{Local: "CompleteMultipartUploadResult"}, Bucket: d.Bucket, Key: d.Key, ETag: `"` + id + `"`})
	case "AbortMultipartUpload":
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

type xmlDelete struct {
	Objects []struct{ Key string } `xml:"Object"`
}

type xmlDeleted struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Errors  []xmlKeptObject
}

type xmlKeptObject struct {
	XMLName            xml.Name `xml:"Error"`
	Key, Code, Message string
}

// deleteObjects answers a request to delete several objects. It has no fault of its own: each object is deleted or not by that of a
// request to delete it alone, as AWS does.
func (s *Server) deleteObjects(w http.ResponseWriter, r *http.Request, d Request, fault func(Request) *Fault) {
	body, err := io.ReadAll(r.Body)
	var wanted xmlDelete
	if err := cmp.Or(err, xml.Unmarshal(body, &wanted)); err != nil {
		refuse(w, r, http.StatusBadRequest, "MalformedXML", err.Error())
		return
	}
	var result xmlDeleted
	for _, o := range wanted.Objects {
		one := d
		one.Op, one.Key = "DeleteObject", o.Key
		var f *Fault
		if fault != nil {
			f = fault(one)
		}
		if f != nil && f.Code != "" {
			result.Errors = append(result.Errors, xmlKeptObject{Key: o.Key, Code: f.Code, Message: f.Message})
			continue
		}
		s.Delete(d.Bucket, o.Key)
	}
	writeXML(w, result)
}
