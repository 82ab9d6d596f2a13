package workload

import (
	"context"
	"fmt"
	"os"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/store"
)

const (
	versityName = "versitygw" // namespace, Deployment, Service

	// VersityGWPort is versitygw's port, in the cluster and on this machine.
	VersityGWPort = 7070
	// VersityGWNodePort is the node's port that this machine's leads to.
	VersityGWNodePort = 30707

	// VersityGWTLSPort is its port with TLS, in the cluster and on this machine.
	VersityGWTLSPort = 7443
	// VersityGWTLSNodePort is the node's port that this machine's leads to.
	VersityGWTLSNodePort = 30743

	// strictBucket and strictOtherBucket belong to one of its accounts each.
	strictBucket      = "strict-backups"
	strictOtherBucket = "strict-other"
)

// versityServer is one of those that serve the same data.
type versityServer struct {
	Suffix         string // tells it from the other
	Port, NodePort int
	TLS            bool
}

var versityServers = []versityServer{
	{Port: VersityGWPort, NodePort: VersityGWNodePort},
	{Suffix: "-tls", Port: VersityGWTLSPort, NodePort: VersityGWTLSNodePort, TLS: true},
}

func (w *Workload) deployVersityGW(ctx context.Context, s *progress.Step, client *kube.Client, image string, keys credentials) error {
	tls, err := w.loadCertificates()
	if err != nil {
		return err
	}
	versity, err := fromManifest(versityName, map[string]any{
		"Image": image, "Region": Region, "Root": keys.StrictRoot, "Certificates": tls, "Servers": versityServers,
	})
	if err != nil {
		return err
	}
	if err := w.deployPart(ctx, client, versity, s.Log); err != nil {
		return err
	}
	if !w.Keep {
		// What other sources made may not serve TLS.
		if err := os.WriteFile(w.authorityFile(), []byte(tls.Authority), 0o644); err != nil {
			return err
		}
	}

	server := store.Server{Endpoint: w.versityURL(), Region: Region, Account: keys.StrictRoot}
	secure := store.Server{Endpoint: w.versityTLSURL(), Region: Region, Account: keys.Strict, Authority: []byte(tls.Authority)}
	return kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		if err := server.GiveBucket(ctx, strictBucket, keys.Strict); err != nil {
			return err
		}
		if err := server.GiveBucket(ctx, strictOtherBucket, keys.StrictOther); err != nil {
			return err
		}
		if !w.servesTLS() {
			return nil
		}
		there, err := secure.HasBucket(ctx, strictBucket)
		if err == nil && !there {
			err = fmt.Errorf("the bucket %s is not there over TLS", strictBucket)
		}
		return err
	})
}

// servesTLS tells whether versitygw was deployed with TLS.
func (w *Workload) servesTLS() bool {
	_, err := os.Stat(w.authorityFile())
	return err == nil
}

// versityURL is how this machine reaches versitygw, versityPodURL how pods do.
func (w *Workload) versityURL() string { return fmt.Sprintf("http://%s:%d", w.Address, VersityGWPort) }

func versityPodURL() string { return podURL(versityName, VersityGWPort) }

// versityTLSURL and versityTLSPodURL are the same with TLS.
func (w *Workload) versityTLSURL() string {
	return fmt.Sprintf("https://%s:%d", w.Address, VersityGWTLSPort)
}

func versityTLSPodURL() string {
	return fmt.Sprintf("https://%s:%d", serviceHost(versityName), VersityGWTLSPort)
}
