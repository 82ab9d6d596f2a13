package s3test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// STS is AWS's token service as far as roles go. Who has a key of the Server may assume any role, and gets a temporary key
// that the Server takes from then on.
type STS struct {
	// URL is the endpoint, for AWS_ENDPOINT_URL_STS.
	URL string

	server *Server

	mu     sync.Mutex
	calls  []AssumeRole
	denied bool
}

// AssumeRole is one call, and the ID of the key that it was answered with ("" where it was refused).
type AssumeRole struct {
	AccessKeyID string // the caller's
	RoleARN     string
	SessionName string
	ExternalID  string
	Given       string
}

// NewSTS starts a token service that stops with the test.
func NewSTS(t testing.TB, server *Server) *STS {
	t.Helper()
	s := &STS{server: server}
	http := httptest.NewServer(s)
	t.Cleanup(http.Close)
	s.URL = http.URL
	return s
}

// Calls are the calls so far.
func (s *STS) Calls() []AssumeRole {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Deny makes every role refuse everybody.
func (s *STS) Deny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = true
}

type xmlTokenError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

type xmlAssumedRole struct {
	XMLName         xml.Name  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	AccessKeyID     string    `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string    `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string    `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration      time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
}

// ServeHTTP answers one call.
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" {
		refuseToken(w, http.StatusBadRequest, "InvalidAction", "not implemented by this test server")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	call := AssumeRole{
		AccessKeyID: signatureOf(r).keyID, RoleARN: form.Get("RoleArn"), SessionName: form.Get("RoleSessionName"), ExternalID: form.Get("ExternalId"),
	}
	code := s.server.verify(r, body)
	switch {
	case code == "InvalidAccessKeyId": // as this service calls it
		refuseToken(w, http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
	case code != "":
		refuseToken(w, http.StatusForbidden, code, meanings[code])
	case s.denied:
		refuseToken(w, http.StatusForbidden, "AccessDenied", "not authorized to perform: sts:AssumeRole")
	default:
		call.Given = fmt.Sprintf("ASIAS3TEST%010d", len(s.calls)+1)
		key := Key{ID: call.Given, Secret: "assumed-secret-access-key", SessionToken: "assumed-session-token"}
		s.server.AddKey(key)
		writeXML(w, xmlAssumedRole{
			AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: key.SessionToken, Expiration: time.Now().Add(time.Hour).UTC(),
		})
	}
	s.calls = append(s.calls, call)
}

func refuseToken(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(xmlTokenError{Code: code, Message: message}) // the client may have gone
}
