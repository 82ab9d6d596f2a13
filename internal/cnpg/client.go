package cnpg

import (
	"context"
	"fmt"
	"net/http"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const (
	// FieldManager owns, through server-side apply, every field that the provider's attributes stand for.
	FieldManager = "terraform-provider-pgplatform"
	// BootstrapManager owns spec.bootstrap and spec.externalClusters. It applies once, at creation.
	BootstrapManager = FieldManager + "-bootstrap"
)

// Client reaches the API server. It is safe for concurrent use.
type Client struct {
	// Graces may be changed before the client is first used.
	Graces Graces

	config  *rest.Config
	cnpg    rest.Interface // postgresql.cnpg.io/v1
	barman  rest.Interface // barmancloud.cnpg.io/v1, the Barman Cloud plugin's
	core    rest.Interface // v1
	batch   rest.Interface // batch/v1
	storage rest.Interface // storage.k8s.io/v1
	params  runtime.ParameterCodec
	clock   *serverClock

	installed installations
}

// New builds a client from a configuration that [Connection.RESTConfig] made. It makes no network call.
// userAgent names the program to the API server's audit log.
func New(config *rest.Config, userAgent string) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = userAgent
	config.WarningHandlerWithContext = contextWarnings{}
	clock := &serverClock{}
	config.Wrap(clock.over)

	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, &ConnectionError{Err: fmt.Errorf("set up the Kubernetes client: %w", err)}
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(cnpgv1.AddToScheme(scheme))
	utilruntime.Must(barmancloud.AddToScheme(scheme))
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(batchv1.AddToScheme(scheme))
	utilruntime.Must(storagev1.AddToScheme(scheme))
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()

	c := &Client{Graces: DefaultGraces, config: config, params: runtime.NewParameterCodec(scheme), clock: clock}
	for _, group := range []struct {
		version schema.GroupVersion
		apiPath string
		client  *rest.Interface
	}{
		{cnpgv1.SchemeGroupVersion, "/apis", &c.cnpg},
		{barmancloud.SchemeGroupVersion, "/apis", &c.barman},
		{corev1.SchemeGroupVersion, "/api", &c.core},
		{batchv1.SchemeGroupVersion, "/apis", &c.batch},
		{storagev1.SchemeGroupVersion, "/apis", &c.storage},
	} {
		if *group.client, err = restClient(config, httpClient, group.version, group.apiPath, codecs); err != nil {
			return nil, &ConnectionError{Err: fmt.Errorf("set up the Kubernetes client: %w", err)}
		}
	}
	return c, nil
}

func restClient(base *rest.Config, httpClient *http.Client, version schema.GroupVersion, apiPath string, codecs runtime.NegotiatedSerializer) (rest.Interface, error) {
	config := rest.CopyConfig(base)
	config.GroupVersion = &version
	config.APIPath = apiPath
	config.NegotiatedSerializer = codecs
	return rest.RESTClientForConfigAndClient(config, httpClient)
}

// Namespace tells whether a namespace exists; [ErrNotFound] when it does not.
func (c *Client) Namespace(ctx context.Context, name string) error {
	err := c.core.Get().Resource("namespaces").Name(name).Do(ctx).Error()
	return explain(err, "Namespace", Key{Name: name})
}

func (c *Client) get(ctx context.Context, client rest.Interface, resource string, key Key, into runtime.Object) error {
	return client.Get().Namespace(key.Namespace).Resource(resource).Name(key.Name).Do(ctx).Into(into)
}

// raw is the answer to a request as it came; the error is the API server's own, which [rest.Result.Raw] leaves in the body.
func raw(result rest.Result) ([]byte, error) {
	body, err := result.Raw()
	if err != nil {
		return nil, result.Error()
	}
	return body, nil
}

func (c *Client) delete(ctx context.Context, client rest.Interface, resource string, key Key, options *metav1.DeleteOptions) error {
	return client.Delete().Namespace(key.Namespace).Resource(resource).Name(key.Name).Body(options).Do(ctx).Error()
}
