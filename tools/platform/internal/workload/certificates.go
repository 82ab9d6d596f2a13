package workload

import (
	"path/filepath"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/authority"
)

// certificates are what S3 over TLS is served with, made up once for each platform. The authority's key is not kept.
type certificates struct {
	Authority   string `json:"authority"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// loadCertificates reads the certificates of a server with these host names and addresses from the file, which is made
// where there is none.
func loadCertificates(file string, hosts ...string) (certificates, error) {
	return loadOnce(file, "the platform's certificates", func() (certificates, error) { return issueCertificates(hosts) })
}

func issueCertificates(hosts []string) (certificates, error) {
	ca, err := authority.New("pgplatform")
	if err != nil {
		return certificates{}, err
	}
	pair, err := ca.Server(hosts...)
	return certificates{
		Authority: string(ca.Certificate()), Certificate: string(pair.Certificate), Key: string(pair.Key),
	}, err
}

// loadCertificates are versitygw's.
func (w *Workload) loadCertificates() (certificates, error) {
	return loadCertificates(filepath.Join(w.StateDir, "certificates.json"), serviceHost(versityName), versityName, w.Address)
}

// authorityFile is where the authority's certificate lies for those who are to trust it.
func (w *Workload) authorityFile() string { return filepath.Join(w.StateDir, "s3-ca.crt") }
