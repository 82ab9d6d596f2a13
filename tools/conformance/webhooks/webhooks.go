// Package webhooks gives access to the webhooks of CloudNativePG's operator. They lie in its internal packages, which Go
// opens to packages whose path begins with the operator's: so does the path of this module.
package webhooks

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	"github.com/cloudnative-pg/cloudnative-pg/internal/configuration"
	webhookv1 "github.com/cloudnative-pg/cloudnative-pg/internal/webhook/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The operator's release manifest sets this in the environment of the operator.
func init() { configuration.Current.MonitoringQueriesConfigmap = cnpgv1.DefaultMonitoringConfigMapName }

// Default completes an object as the operator's mutating webhook does.
func Default(ctx context.Context, object runtime.Object) error {
	switch o := object.(type) {
	case *cnpgv1.Cluster:
		return (&webhookv1.ClusterCustomDefaulter{}).Default(ctx, o)
	case *cnpgv1.ScheduledBackup:
		return (&webhookv1.ScheduledBackupCustomDefaulter{}).Default(ctx, o)
	case *cnpgv1.Backup:
		return (&webhookv1.BackupCustomDefaulter{}).Default(ctx, o)
	}
	return fmt.Errorf("the operator has no webhook for %T", object)
}

// Validate asks the operator's validating webhook about an object. before is nil for a new one.
func Validate(ctx context.Context, object, before runtime.Object) (warnings []string, err error) {
	switch o := object.(type) {
	case *cnpgv1.Cluster:
		return validate(ctx, &webhookv1.ClusterCustomValidator{}, o, before)
	case *cnpgv1.ScheduledBackup:
		return validate(ctx, &webhookv1.ScheduledBackupCustomValidator{}, o, before)
	case *cnpgv1.Backup:
		return validate(ctx, &webhookv1.BackupCustomValidator{}, o, before)
	}
	return nil, fmt.Errorf("the operator has no webhook for %T", object)
}

func validate[T runtime.Object](ctx context.Context, v admission.Validator[T], object T, before runtime.Object) ([]string, error) {
	if before == nil {
		return v.ValidateCreate(ctx, object)
	}
	old, ok := before.(T)
	if !ok {
		return nil, fmt.Errorf("%T was a %T", object, before)
	}
	return v.ValidateUpdate(ctx, old, object)
}
