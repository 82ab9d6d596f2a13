package s3test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Key is an identity that a server takes. With a SessionToken it is a temporary one.
type Key struct {
	ID           string
	Secret       string
	SessionToken string
}

// AddKey makes the server take one more key.
func (s *Server) AddKey(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key.ID] = key
}

// RemoveKey makes the server refuse a key that it took.
func (s *Server) RemoveKey(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

// signature is what the Authorization header of a request says: AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request,
// SignedHeaders=a;b, Signature=hex.
type signature struct {
	keyID   string
	region  string
	service string
	headers []string
}

func signatureOf(r *http.Request) signature {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, rest, _ := strings.Cut(rest, ",")
	_, rest, _ = strings.Cut(rest, "SignedHeaders=")
	headers, _, _ := strings.Cut(rest, ",")
	parts := append(strings.Split(scope, "/"), "", "", "", "")
	return signature{keyID: parts[0], region: parts[2], service: parts[3], headers: strings.Split(headers, ";")}
}

// verify tells, as an error code of AWS, why a request is not from who it says; "" when it is. It signs the request once
// more, and compares.
func (s *Server) verify(r *http.Request, body []byte) string {
	signed := signatureOf(r)
	s.mu.Lock()
	key, known := s.keys[signed.keyID]
	s.mu.Unlock()
	if !known {
		return "InvalidAccessKeyId"
	}
	if r.Header.Get("X-Amz-Security-Token") != key.SessionToken {
		return "InvalidToken"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "AccessDenied"
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		hash := sha256.Sum256(body)
		payload = fmt.Sprintf("%x", hash)
	}
	again := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}}
	address := *r.URL
	address.Scheme, address.Host = "http", r.Host
	again.URL = &address
	if slices.Contains(signed.headers, "content-length") {
		again.ContentLength = r.ContentLength
	}
	for _, name := range signed.headers {
		if values := r.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	credentials := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: key.SessionToken}
	err = v4.NewSigner().SignHTTP(r.Context(), credentials, again, payload, signed.service, signed.region, at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = signed.service == "s3"
	})
	if err != nil || again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return "SignatureDoesNotMatch"
	}
	return ""
}

// meanings are the messages of the codes that refuse an identity.
var meanings = map[string]string{
	"InvalidAccessKeyId":    "The AWS Access Key Id you provided does not exist in our records.",
	"SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided.",
	"InvalidToken":          "The provided token is malformed or otherwise invalid.",
	"AccessDenied":          "Access Denied",
}
