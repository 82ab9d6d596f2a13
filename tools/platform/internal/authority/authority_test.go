package authority

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// serve answers with the certificate's user, over TLS, to those who show a certificate of the authority.
func serve(t *testing.T, a *Authority, pair Pair) *httptest.Server {
	t.Helper()
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.TLS.PeerCertificates[0].Subject
		_, _ = io.WriteString(w, subject.CommonName+" of "+subject.Organization[0])
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(t, a),
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func pool(t *testing.T, a *Authority) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(a.Certificate()) {
		t.Fatal("the authority's certificate cannot be read")
	}
	return p
}

func TestOnlyItsOwnAreTrusted(t *testing.T) {
	t.Parallel()
	ours, err := New("ours")
	if err != nil {
		t.Fatal(err)
	}
	others, err := New("ours")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ours.Server("service.local", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, ours, pair)

	get := func(trusted, issuer *Authority, name string) (string, error) {
		client, err := issuer.Client("admin", "masters")
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := tls.X509KeyPair(client.Certificate, client.Key)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool(t, trusted), Certificates: []tls.Certificate{certificate}, ServerName: name,
		}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	}
	for _, name := range []string{"service.local", "127.0.0.1"} {
		if got, err := get(ours, ours, name); err != nil || got != "admin of masters" {
			t.Errorf("as %s: %q, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		trusted, issuer *Authority
		host            string
	}{
		"a server of another authority": {others, ours, "service.local"},
		"a client of another authority": {ours, others, "service.local"},
		"a server of another name":      {ours, ours, "elsewhere.local"},
	} {
		if got, err := get(c.trusted, c.issuer, c.host); err == nil {
			t.Errorf("%s is trusted: %q", name, got)
		}
	}
}
