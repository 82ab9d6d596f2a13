package rights

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The storage classes: the volumes of the one can grow, those of the other cannot.
const (
	growing = "growing"
	rigid   = "rigid"
)

// platform is the API server with all that is behind it.
type platform struct {
	config  *rest.Config
	core    kubernetes.Interface
	objects dynamic.Interface
	old     *httptest.Server
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{config: apiServer(t)}
	core, err := kubernetes.NewForConfig(p.config)
	must(t, err)
	objects, err := dynamic.NewForConfig(p.config)
	must(t, err)
	p.core, p.objects = core, objects
	p.old = olderServer(t, p.config)
	newKubelet(t, core)
	for _, class := range []string{growing, rigid} {
		_, err := core.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: "example.com/volumes", AllowVolumeExpansion: ptr.To(class == growing),
		}, metav1.CreateOptions{})
		must(t, err)
	}
	newOperator(t, &operator{core: core, dynamic: objects})
	return p
}

// bucket is the one of all worlds: each has an S3 of its own.
const bucket = "backups"

// world is a namespace in which the provider has the rights of the examples, or all of them but some, and another one with the source
// of a restore.
type world struct {
	t         *testing.T
	platform  *platform
	namespace string
	source    string   // the other one; "" as long as there is none
	missing   []string // of the rights
	token     string   // of the service account
	objects   dynamic.Interface
	s3        *s3test.Server
	workspace *terraformtest.Workspace
	block     string // the provider's
	said      strings.Builder
}

// olderServer has the API server answer as those before Kubernetes 1.34 do, which take no watch that begins with what is there.
func olderServer(t *testing.T, config *rest.Config) *httptest.Server {
	t.Helper()
	proxy := passOn(t, config)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sendInitialEvents") == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", field.ErrorList{
			field.Forbidden(field.NewPath("sendInitialEvents"), "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
		}).Status())
	}))
	t.Cleanup(server.Close)
	return server
}

// passOn passes requests on to the API server.
func passOn(t *testing.T, config *rest.Config) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(config.Host)
	must(t, err)
	transport, err := rest.TransportFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: config.CAData, NextProtos: []string{"http/1.1"}}})
	must(t, err)
	return &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // of watches that end
	}
}

// world makes a world with all rights but those that are missing.
func (p *platform) world(t *testing.T, old bool, missing ...string) *world {
	t.Helper()
	namespace, err := p.core.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "rights-"}}, metav1.CreateOptions{})
	must(t, err)
	w := &world{t: t, platform: p, namespace: namespace.Name, missing: missing, objects: p.objects, s3: s3test.New(t)}
	w.s3.CreateBucket(bucket)
	// Pods need it, and the controller that makes it is not there.
	_, err = p.core.CoreV1().ServiceAccounts(w.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	must(t, err)
	p.grant(t, w.namespace, missing)
	token, err := p.core.CoreV1().ServiceAccounts(w.namespace).CreateToken(t.Context(), "terraform", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	w.token = token.Status.Token
	if old {
		w.connect(p.old)
	} else {
		w.connect(nil)
	}
	return w
}

// connect has a provider that is the service account with the world's token, and the world's S3. Where there is a server between, it
// reaches the API server by that.
func (w *world) connect(between *httptest.Server) {
	w.t.Helper()
	p := w.platform
	w.workspace = terraformtest.New(w.t, terraformtest.Providers{"pgplatform": providerserver.NewProtocol6WithError(provider.New("test")())})
	host, authority := p.config.Host, p.config.CAData
	if between != nil {
		host, authority = between.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: between.Certificate().Raw})
	}
	w.block = fmt.Sprintf(`
provider "pgplatform" {
  namespace  = %q
  kubernetes = {
    host                   = %q
    token                  = %q
    cluster_ca_certificate = %q
  }
  object_store = {
    destination_path  = "s3://%s/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}
`, w.namespace, host, w.token, authority, bucket, w.s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey)
}

// operated waits until the operator has made what belongs to the database, for which an apply that does not wait leaves no time.
func (w *world) operated() bool {
	w.t.Helper()
	must(w.t, wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		database, err := w.objects.Resource(clusters).Namespace(w.namespace).Get(ctx, "my-db", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		phase, _, err := unstructured.NestedString(database.Object, "status", "phase")
		return phase != "", err
	}))
	return true
}

// grant applies the examples to a namespace, and binds the role of the whole cluster as its guide says. Where rights are missing, the
// roles have all others.
func (p *platform) grant(t *testing.T, namespace string, missing []string) {
	t.Helper()
	ctx, create, rbac := t.Context(), metav1.CreateOptions{}, p.core.RbacV1()
	for _, object := range objects(t, examples) {
		if rules := rulesOf(object); rules != nil && len(missing) > 0 {
			*rules = except(*rules, examples, missing)
		}
		var err error
		switch o := object.(type) {
		case *corev1.ServiceAccount:
			_, err = p.core.CoreV1().ServiceAccounts(namespace).Create(ctx, o, create)
		case *rbacv1.Role:
			_, err = rbac.Roles(namespace).Create(ctx, o, create)
		case *rbacv1.RoleBinding:
			_, err = rbac.RoleBindings(namespace).Create(ctx, o, create)
		case *rbacv1.ClusterRole: // one for each namespace, since in each another right is missing
			o.Name = namespace
			_, err = rbac.ClusterRoles().Create(ctx, o, create)
			must(t, err)
			_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: namespace},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: o.Name},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "terraform"}},
			}, create)
		default:
			t.Fatalf("the examples have a %T", object)
		}
		must(t, err)
	}
}

// lose takes rights in the world's namespace away, and returns when the API server goes by that.
func (w *world) lose(missing ...right) {
	w.t.Helper()
	core := w.platform.core
	for _, r := range missing {
		w.missing = append(w.missing, r.String())
	}
	for _, object := range objects(w.t, examples) {
		if role, ok := object.(*rbacv1.Role); ok {
			role.Rules = except(role.Rules, examples, w.missing)
			_, err := core.RbacV1().Roles(w.namespace).Update(w.t.Context(), role, metav1.UpdateOptions{})
			must(w.t, err)
		}
	}
	for _, r := range missing {
		resource, subresource, _ := strings.Cut(r.resource, "/")
		asked := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               fmt.Sprintf("system:serviceaccount:%s:terraform", w.namespace),
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: subresource},
		}}
		must(w.t, wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			answer, err := core.AuthorizationV1().SubjectAccessReviews().Create(ctx, asked, metav1.CreateOptions{})
			return err == nil && !answer.Status.Allowed, err
		}))
	}
}

// elsewhere has a database with an archive in a namespace of its own, made by somebody with all rights there, and lets the world's service
// account restore from it, as far as its rights go. It returns the id of a base backup.
func (w *world) elsewhere(attributes string) string {
	w.t.Helper()
	ctx, create, rbac := w.t.Context(), metav1.CreateOptions{}, w.platform.core.RbacV1()
	others := w.platform.world(w.t, false)
	w.source, others.s3 = others.namespace, w.s3
	token, err := w.platform.core.CoreV1().ServiceAccounts(w.source).CreateToken(ctx, "terraform", &authenticationv1.TokenRequest{}, create)
	must(w.t, err)
	others.token = token.Status.Token
	others.connect(nil)
	for _, object := range objects(w.t, examplesOfSource) {
		var err error
		switch o := object.(type) {
		case *rbacv1.Role:
			o.Rules = except(o.Rules, examplesOfSource, w.missing)
			_, err = rbac.Roles(w.source).Create(ctx, o, create)
		case *rbacv1.RoleBinding:
			o.Subjects[0].Namespace = w.namespace
			_, err = rbac.RoleBindings(w.source).Create(ctx, o, create)
		default:
			w.t.Fatalf("the examples have a %T", object)
		}
		must(w.t, err)
	}
	if !others.apply("create", database(attributes)) ||
		!others.apply("back up", database(attributes)+"\nresource \"pgplatform_backup\" \"now\" {\n  database = \"$NS/my-db\"\n}\n") {
		w.t.Fatalf("the source: %s", others.said.String())
	}
	backup := others.workspace.Object("pgplatform_backup.now")
	w.archive(backup.Attribute("backup_id").AsString())
	return backup.Attribute("id").AsString()
}

// login makes the Secret of the database's owner, as CloudNativePG does.
func (w *world) login() bool {
	w.t.Helper()
	_, err := w.platform.core.CoreV1().Secrets(w.namespace).Create(w.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "my-db-app"}, Type: corev1.SecretTypeBasicAuth,
		StringData: map[string]string{corev1.BasicAuthUsernameKey: "app", corev1.BasicAuthPasswordKey: "owner-of-app"},
	}, metav1.CreateOptions{})
	must(w.t, err)
	return true
}

// say keeps what the provider says, and tells whether it goes on.
func (w *world) say(step string, diags terraformtest.Diagnostics) bool {
	fmt.Fprintf(&w.said, "[%s]\n%s\n", step, diags)
	return !diags.HasError()
}

// write writes resources; $NS stands for the namespace, $SOURCE for that of the source.
func (w *world) write(resources string) {
	w.t.Helper()
	w.workspace.Write(w.block + w.named(resources))
}

func (w *world) named(text string) string {
	return strings.NewReplacer("$NS", w.namespace, "$SOURCE", w.source).Replace(text)
}

// apply applies resources.
func (w *world) apply(step, resources string) bool {
	w.t.Helper()
	w.write(resources)
	return w.say(step, w.workspace.Apply(w.t.Context()))
}

// plan only plans them.
func (w *world) plan(step, resources string) bool {
	w.t.Helper()
	w.write(resources)
	_, diags := w.workspace.Plan(w.t.Context())
	return w.say(step, diags)
}

// open opens the ephemeral resources among them.
func (w *world) open(step, resources string) bool {
	w.t.Helper()
	w.write(resources)
	_, diags := w.workspace.OpenEphemeral(w.t.Context())
	return w.say(step, diags)
}

func (w *world) destroy() bool { return w.say("destroy", w.workspace.Destroy(w.t.Context())) }
