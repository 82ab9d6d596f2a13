package workload

import (
	"context"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

const (
	loopVolumesName = "loop-volumes" // namespace, Deployment

	// GrowingClass is the storage class whose volumes have real limits and grow.
	GrowingClass = "growing"
)

func (w *Workload) deployLoopVolumes(ctx context.Context, s *progress.Step, client *kube.Client, image string) error {
	volumes, err := fromManifest(loopVolumesName, map[string]any{"Image": image, "Class": GrowingClass})
	if err != nil {
		return err
	}
	return w.deployPart(ctx, client, volumes, s.Log)
}
