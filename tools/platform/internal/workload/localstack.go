package workload

import (
	"context"
	"fmt"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/store"
)

const (
	localStackName = "localstack" // namespace, Deployment, Service

	// LocalStackPort is LocalStack's port, in the cluster and on this machine.
	LocalStackPort = 4566
	// LocalStackNodePort is the node's port that this machine's leads to.
	LocalStackNodePort = 30566

	// Bucket is made in LocalStack.
	Bucket = "postgres-backups"
	// Region is that of both S3 servers.
	Region = "us-east-1"
)

// bucketNote is noted once the bucket was made.
const bucketNote = "bucket"

func (w *Workload) deployLocalStack(ctx context.Context, s *progress.Step, client *kube.Client, image string, keys credentials) error {
	localStack, err := fromManifest(localStackName, map[string]any{
		"Image": image, "Port": LocalStackPort, "NodePort": LocalStackNodePort,
	})
	if err != nil {
		return err
	}
	if err := w.deployPart(ctx, client, localStack, s.Log); err != nil {
		return err
	}

	server := store.Server{Endpoint: w.localStackURL(), Region: Region, Account: keys.LocalStack}
	return kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		there, err := server.HasBucket(ctx, Bucket)
		if there || err != nil {
			return err
		}
		before, err := client.Noted(ctx, bucketNote)
		if err != nil {
			return err
		}
		if err := server.MakeBucket(ctx, Bucket); err != nil {
			return err
		}
		if before == Bucket {
			w.Say("! LocalStack was started again and keeps nothing: the bucket %s is new and empty, archives of before are gone", Bucket)
			return nil
		}
		return client.Note(ctx, bucketNote, Bucket)
	})
}

// localStackURL is how this machine reaches LocalStack, localStackPodURL how pods do.
func (w *Workload) localStackURL() string {
	return fmt.Sprintf("http://%s:%d", w.Address, LocalStackPort)
}

func localStackPodURL() string { return podURL(localStackName, LocalStackPort) }

// podURL is how pods reach a Service that has the name of its namespace.
func podURL(service string, port int) string {
	return fmt.Sprintf("http://%s:%d", serviceHost(service), port)
}

func serviceHost(service string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", service, service)
}
