package workload

import (
	"context"
	"fmt"

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

	// strictBucket and strictOtherBucket belong to one of its accounts each.
	strictBucket      = "strict-backups"
	strictOtherBucket = "strict-other"
)

func (w *Workload) deployVersityGW(ctx context.Context, s *progress.Step, client *kube.Client, image string, keys credentials) error {
	versity, err := fromManifest(versityName, map[string]any{
		"Image": image, "Port": VersityGWPort, "NodePort": VersityGWNodePort, "Region": Region, "Root": keys.StrictRoot,
	})
	if err != nil {
		return err
	}
	if err := w.deployPart(ctx, client, versity, s.Log); err != nil {
		return err
	}

	server := store.Server{Endpoint: w.versityURL(), Region: Region, Account: keys.StrictRoot}
	return kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		if err := server.GiveBucket(ctx, strictBucket, keys.Strict); err != nil {
			return err
		}
		return server.GiveBucket(ctx, strictOtherBucket, keys.StrictOther)
	})
}

// versityURL is how this machine reaches versitygw, versityPodURL how pods do.
func (w *Workload) versityURL() string { return fmt.Sprintf("http://%s:%d", w.Address, VersityGWPort) }

func versityPodURL() string { return podURL(versityName, VersityGWPort) }
