// Package s3test is an S3 store in memory for tests: a loopback HTTP server that speaks as much of the protocol as the
// provider uses (ListObjectsV2, GetObject, PutObject, DeleteObject, HeadBucket, ListBuckets) and barman beside it (DeleteObjects, uploads in
// parts), records every request and fails on demand.
package s3test

import (
	"cmp"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The key that the server takes from the beginning. Requests that are not signed with a key that it knows are refused as AWS
// does, unless [Server.AnyKey] is set.
const (
	AccessKeyID     = "S3TESTACCESSKEY00001"
	SecretAccessKey = "s3test-secret-access-key-0000000000000001"
	Region          = "us-east-1"
)

// Server is the store. Its methods may be called while requests are served.
type Server struct {
	// URL is the endpoint, such as http://127.0.0.1:40123. Only path style addresses work.
	URL string
	// CA is the PEM of the authority that signed the certificate of a server made by NewTLS; nil of one made by New.
	CA []byte

	mu       sync.Mutex
	buckets  map[string]*bucket
	keys     map[string]Key
	requests []Request
	inFlight map[string]int // by operation
	most     map[string]int
	fault    func(Request) *Fault
	latency  time.Duration
	anyKey   bool
	plain    bool
	uploads  map[string]*upload // by id
	begun    int                // of them
}

type bucket struct {
	objects map[string]object
	keys    []string // sorted; nil after a change
}

func (b *bucket) put(key string, o object) { b.objects[key], b.keys = o, nil }

func (b *bucket) remove(key string) {
	delete(b.objects, key)
	b.keys = nil
}

func (b *bucket) sorted() []string {
	if b.keys == nil {
		b.keys = slices.Sorted(maps.Keys(b.objects))
	}
	return b.keys
}

type object struct {
	body     []byte
	size     int64
	modified time.Time
}

// Request is one request as the server saw it.
type Request struct {
	// Op is ListBuckets, HeadBucket, ListObjects, GetObject, HeadObject, PutObject, DeleteObject, DeleteObjects, CreateMultipartUpload,
	// UploadPart, CompleteMultipartUpload or AbortMultipartUpload.
	Op     string
	Bucket string
	Key    string // of an object
	// Prefix, Delimiter, StartAfter and MaxKeys ("" where the store is to decide) are those of a listing.
	Prefix     string
	Delimiter  string
	StartAfter string
	MaxKeys    string
	Token      string
	// AccessKeyID is who signed the request, Region what for.
	AccessKeyID string
	Region      string
	UserAgent   string
}

// Fault is what a request gets in place of its answer.
type Fault struct {
	Status  int    // HTTP status of the error
	Code    string // S3's error code
	Message string
	Region  string // value of the x-amz-bucket-region header
	Latency time.Duration
	// Reset breaks the connection without an answer; Hang never answers (until the client gives up); Stall stops in the middle of
	// the answer's body.
	Reset bool
	Hang  bool
	Stall bool
	// Drip is the pause between the ten pieces in which the answer comes.
	Drip time.Duration
}

// New starts a server that stops with the test.
func New(t testing.TB) *Server {
	t.Helper()
	return start(t, (*httptest.Server).Start)
}

// NewTLS starts a server whose certificate [Server.CA] has signed.
func NewTLS(t testing.TB) *Server {
	t.Helper()
	return start(t, (*httptest.Server).StartTLS)
}

func start(t testing.TB, begin func(*httptest.Server)) *Server {
	t.Helper()
	s := &Server{
		buckets: map[string]*bucket{}, keys: map[string]Key{AccessKeyID: {ID: AccessKeyID, Secret: SecretAccessKey}},
		inFlight: map[string]int{}, most: map[string]int{}, uploads: map[string]*upload{},
	}
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // what tests of certificates expect
	begin(srv)
	t.Cleanup(func() {
		srv.CloseClientConnections() // hanging requests would hold up Close
		srv.Close()
	})
	s.URL = srv.URL
	if certificate := srv.Certificate(); certificate != nil {
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	}
	return s
}

// CreateBucket makes an empty bucket.
func (s *Server) CreateBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket(name)
}

// bucket makes a bucket if need be. The server is locked.
func (s *Server) bucket(name string) *bucket {
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{objects: map[string]object{}}
	}
	return s.buckets[name]
}

// Put stores an object, making its bucket if need be.
func (s *Server) Put(bucket, key string, body []byte, modified time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket(bucket).put(key, object{body: slices.Clone(body), size: int64(len(body)), modified: modified})
}

// PutSized stores an object that claims a size in listings and has no content.
func (s *Server) PutSized(bucket, key string, size int64, modified time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket(bucket).put(key, object{size: size, modified: modified})
}

// Delete removes an object.
func (s *Server) Delete(bucket, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		b.remove(key)
	}
}

// DeleteBucket removes a bucket with everything in it.
func (s *Server) DeleteBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets, name)
}

// Keys lists the objects of a bucket whose keys begin with prefix.
func (s *Server) Keys(bucket, prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	if b == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(b.sorted()), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

// Size is that of an object in listings; 0 where there is none.
func (s *Server) Size(bucket, key string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		return b.objects[key].size
	}
	return 0
}

// Fail lets f decide for every request whether it fails; nil from f, or f nil, lets it through.
func (s *Server) Fail(f func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetLatency delays every answer.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// AnyKey makes the server take every access key.
func (s *Server) AnyKey() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.anyKey = true
}

// PlainListings makes the server ignore encoding-type=url, as some stores do.
func (s *Server) PlainListings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plain = true
}

// Requests are all requests so far, those that failed too, in the order in which they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is the number of requests so far, of one operation or ("") of all.
func (s *Server) Count(op string) int {
	n := 0
	for _, r := range s.Requests() {
		if op == "" || r.Op == op {
			n++
		}
	}
	return n
}

// MostAtOnce is the largest number of requests of an operation that were served at the same time so far.
func (s *Server) MostAtOnce(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[op]
}

// Reset forgets the requests so far.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.most = nil, map[string]int{}
}

// enter takes note of a request, until leave is called.
func (s *Server) enter(r Request) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	s.inFlight[r.Op]++
	s.most[r.Op] = max(s.most[r.Op], s.inFlight[r.Op])
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight[r.Op]--
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := describe(r)
	defer s.enter(request)()
	s.mu.Lock()
	fault, latency, anyKey := s.fault, s.latency, s.anyKey
	s.mu.Unlock()
	var f *Fault
	if fault != nil {
		f = fault(request)
	}
	if f != nil {
		latency = cmp.Or(f.Latency, latency)
	}
	if !wait(r, latency) {
		return
	}
	switch {
	case f == nil, f.Status == 0 && !f.Reset && !f.Hang:
	case f.Hang:
		<-r.Context().Done()
		return
	case f.Reset:
		panic(http.ErrAbortHandler)
	default:
		if f.Region != "" {
			w.Header().Set("X-Amz-Bucket-Region", f.Region)
		}
		refuse(w, r, f.Status, f.Code, f.Message)
		return
	}
	if !anyKey {
		if code := s.verify(r, nil); code != "" {
			refuse(w, r, http.StatusForbidden, code, meanings[code])
			return
		}
	}
	if f != nil && (f.Stall || f.Drip > 0) {
		whole := httptest.NewRecorder()
		s.answer(whole, r, request)
		f.slowly(w, r, whole)
		return
	}
	if request.Op == "DeleteObjects" {
		s.deleteObjects(w, r, request, fault)
		return
	}
	s.answer(w, r, request)
}

// slowly sends an answer in pieces, or half of it.
func (f *Fault) slowly(w http.ResponseWriter, r *http.Request, whole *httptest.ResponseRecorder) {
	const pieces = 10
	body := whole.Body.Bytes()
	maps.Copy(w.Header(), whole.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(whole.Code)
	for n := range pieces {
		if f.Stall && n == pieces/2 {
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(body[n*len(body)/pieces : (n+1)*len(body)/pieces]) // the client may have gone
		_ = http.NewResponseController(w).Flush()
		if !wait(r, f.Drip) {
			return
		}
	}
}

// wait sleeps; false when the client went away meanwhile.
func wait(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}

func describe(r *http.Request) Request {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	signed := signatureOf(r)
	d := Request{Bucket: bucket, Key: key, AccessKeyID: signed.keyID, Region: signed.region, UserAgent: r.UserAgent()}
	switch {
	case bucket == "":
		d.Op = "ListBuckets"
	case key != "" && uploadOp(r.Method, q) != "":
		d.Op = uploadOp(r.Method, q)
	case key != "":
		d.Op = map[string]string{
			http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
		}[r.Method]
	case r.Method == http.MethodHead:
		d.Op = "HeadBucket"
	case r.Method == http.MethodPut:
		d.Op = "CreateBucket"
	case r.Method == http.MethodPost && q.Has("delete"):
		d.Op = "DeleteObjects"
	default:
		d.Op = "ListObjects"
		d.Prefix, d.Delimiter, d.StartAfter, d.MaxKeys, d.Token = q.Get("prefix"), q.Get("delimiter"), q.Get("start-after"), q.Get("max-keys"), q.Get("continuation-token")
	}
	return d
}

// answer serves a request that no fault was injected into.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, d Request) {
	var body []byte
	if d.Op == "PutObject" || d.Op == "UploadPart" {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			refuse(w, r, http.StatusBadRequest, "IncompleteBody", err.Error())
			return
		}
	}
	var listed any // written when the server is unlocked again, since it takes longest
	defer func() {
		if listed != nil {
			writeXML(w, listed)
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Op == "ListBuckets" {
		listed = bucketsResult(slices.Sorted(maps.Keys(s.buckets)))
		return
	}
	if d.Op == "CreateBucket" {
		s.bucket(d.Bucket)
		return
	}
	b, ok := s.buckets[d.Bucket]
	if !ok {
		refuse(w, r, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	o, found := b.objects[d.Key]
	switch d.Op {
	case "HeadBucket":
	case "ListObjects":
		listed = listResult(b, r.URL.Query(), s.plain)
	case "PutObject":
		b.put(d.Key, object{body: body, size: int64(len(body)), modified: time.Now()})
	case "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload":
		s.answerUpload(w, r, d, body)
	case "DeleteObject":
		b.remove(d.Key)
		w.WriteHeader(http.StatusNoContent)
	case "GetObject", "HeadObject":
		if !found {
			refuse(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
			return
		}
		w.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
		if d.Op == "GetObject" {
			_, _ = w.Write(o.body) // the client may have gone
		}
	default:
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "not implemented by this test server")
	}
}
