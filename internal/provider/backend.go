package provider

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// backend is what the configured provider gives to resources and data sources: the clients of Kubernetes and of S3,
// built when first needed, and the settings that they share.
type backend struct {
	userAgent string
	// namespace is the default for resources that name none; it may be unknown.
	namespace types.String

	// connection is nil while a value of the kubernetes attribute is not known.
	connection *cnpg.Connection
	// store is nil while a value of the object_store attribute is not known.
	store *objectStore

	kubernetesOnce sync.Once
	kubernetes     *cnpg.Client
	kubernetesErr  error

	s3Mu sync.Mutex
	s3   map[s3Key]*archive.Client

	// warned keeps admission warnings to one of each text per run.
	warned sync.Map

	// reserved are the archive folders that this run has chosen: two databases of one name in two namespaces find the same
	// folder empty.
	reserved sync.Map

	// archivesSoon are the databases, by their keys, that this run plans with backups.
	archivesSoon sync.Map

	// wakesSoon are those, by their keys, whose hibernation this run plans to end.
	wakesSoon sync.Map

	// changesSoon are those, by their keys, that this run plans to change.
	changesSoon sync.Map

	// pace is defaultPace, but in tests on fakes.
	pace pace
}

func newBackend(ctx context.Context, m providerModel, userAgent string, diags *diag.Diagnostics) *backend {
	b := &backend{userAgent: userAgent, namespace: m.Namespace}
	if m.Namespace.IsNull() {
		b.namespace = types.StringValue("default")
	}
	var kubernetes kubernetesModel
	if whole(ctx, m.Kubernetes, &kubernetes, diags) {
		b.connection = newConnection(ctx, &kubernetes, diags)
		checkConnection(b.connection, diags)
	}
	var store providerObjectStore
	if whole(ctx, m.ObjectStore, &store, diags) {
		known := newObjectStore(&store)
		known.checkEnvironment(diags)
		b.store = &known
	}
	return b
}

// backendFrom takes what Configure left for a resource or data source. There is none while Terraform only validates.
func backendFrom(data any, diags *diag.Diagnostics) *backend {
	if data == nil {
		return nil
	}
	b, ok := data.(*backend)
	if !ok {
		diags.AddError("Unexpected Provider Data", "The provider handed over data of another type. This is a bug of the provider.")
	}
	return b
}

var errNotKnown = errors.New("the provider's configuration is not known yet")

// begin begins an operation that changes something: it is bounded by its time in timeouts, and what the API server warns of comes
// out at its end. ok is false, and said, where there is no client.
func (b *backend) begin(ctx context.Context, operation string, timeout time.Duration, summary string, diags *diag.Diagnostics) (begun context.Context, client *cnpg.Client, end func(), ok bool) {
	bounded, cancel := within(ctx, operation, timeout)
	begun, finish := b.collectWarnings(bounded)
	client, err := b.kubernetesClient(begun)
	if err != nil {
		addConnectionError(diags, summary, err)
	}
	return begun, client, func() { finish(diags); cancel() }, err == nil
}

// kubernetesClient is the client of the API server; [errNotKnown] while its address is not known.
func (b *backend) kubernetesClient(ctx context.Context) (*cnpg.Client, error) {
	if b == nil || b.connection == nil {
		return nil, errNotKnown
	}
	// The client outlives the call that happens to be the first.
	b.kubernetesOnce.Do(func() {
		config, err := b.connection.RESTConfig(context.WithoutCancel(ctx))
		if err != nil {
			b.kubernetesErr = err
			return
		}
		config.Wrap(func(base http.RoundTripper) http.RoundTripper { return requestLog{base} })
		if b.kubernetes, b.kubernetesErr = cnpg.New(config, b.userAgent); b.kubernetesErr == nil {
			b.kubernetes.Graces = b.pace.graces
		}
	})
	return b.kubernetes, b.kubernetesErr
}

// whole reads an object into a model. It is false, and the model left as it is, while anything in the object is unknown;
// an object that is not there is known, and empty.
func whole(ctx context.Context, object types.Object, into any, diags *diag.Diagnostics) bool {
	value, err := object.ToTerraformValue(ctx)
	if err != nil {
		diags.AddError("Unable to Read the Provider's Configuration", sentence(err))
		return false
	}
	if !value.IsFullyKnown() {
		return false
	}
	diags.Append(optional(ctx, object, into)...)
	return !diags.HasError()
}

func known(values ...attr.Value) bool {
	for _, v := range values {
		if v.IsUnknown() {
			return false
		}
	}
	return true
}
