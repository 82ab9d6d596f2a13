package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// S3 gets a certificate of another authority, and the pods trust it no more: the update that says which authority it is ends when
// WAL arrives again, and no pod is restarted for it.
func TestAccDatabase_rotatedAuthority(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccDatabaseRotatedAuthority)
}

func testAccDatabaseRotatedAuthority(t *testing.T, w *world) {
	front := newTLSFront(w)
	config := func(certificate string) string {
		behind := strict(t)
		behind.podEndpoint, behind.certificate = front.url(), certificate
		w.use(behind)
		return w.config(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "@daily" }
  deletion_protection = false
}
`)
	}
	var pods map[string]int32
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: config(front.certificates["before"]),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return w.archived("db") }); err != nil {
						return err
					}
					pods, err = w.restarts("db")
					return err
				}),
			},
			{
				PreConfig: func() {
					front.serve("after")
					must(t, w.eventually(func() error { // the positive control
						if _, err := w.kubernetes.Flush(t.Context(), w.key("db")); err != nil {
							return err
						}
						cluster, err := w.cluster("db")
						if err == nil && !meta.IsStatusConditionFalse(cluster.Status.Conditions, string(cnpgv1.ConditionContinuousArchiving)) {
							err = errors.New("WAL is archived to a store that the pods do not trust")
						}
						return err
					}))
				},
				Config:           config(front.certificates["after"]),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate)}},
				Check: check(func() error {
					now, err := w.restarts("db")
					if err == nil && !maps.Equal(now, pods) {
						err = fmt.Errorf("the pods and their restarts were %v, and are %v", pods, now)
					}
					return errors.Join(err, w.archives("db"))
				}),
			},
		},
	})
}

// tlsFront serves the platform's strict S3 to the pods of a test's namespace, with certificates that vouch for themselves.
type tlsFront struct {
	w            *world
	certificates map[string]string // PEM by name
}

const tlsFrontName = "tls-front"

// tlsFrontPorts are where the front serves by each of its certificates.
var tlsFrontPorts = map[string]int{"before": 7001, "after": 7002}

//go:embed testdata/tls_front.py
var tlsFrontProgram string

// newTLSFront begins to serve by the certificate "before".
func newTLSFront(w *world) *tlsFront {
	w.t.Helper()
	f := &tlsFront{w: w, certificates: map[string]string{}}
	files := map[string]string{"tls_front.py": tlsFrontProgram}
	arguments := []string{"/front/tls_front.py", strict(w.t).podEndpoint}
	for name, port := range tlsFrontPorts {
		f.certificates[name], files[name+".key"] = f.certificate(name)
		files[name+".crt"] = f.certificates[name]
		arguments = append(arguments, fmt.Sprintf("%d=/front/%s", port, name))
	}
	labels := map[string]string{"app": tlsFrontName}
	object := metav1.ObjectMeta{Name: tlsFrontName, Labels: labels}
	_, err := w.core.Secrets(w.namespace).Create(w.t.Context(), &corev1.Secret{ObjectMeta: object, StringData: files}, metav1.CreateOptions{})
	must(w.t, err)
	_, err = w.core.Pods(w.namespace).Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: object,
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64),
			Containers: []corev1.Container{{
				Name: tlsFrontName, Image: env(w.t, "PGPLATFORM_POSTGRES_17"), ImagePullPolicy: corev1.PullIfNotPresent, // it has Python
				Command:      append([]string{"python3"}, arguments...),
				VolumeMounts: []corev1.VolumeMount{{Name: "front", MountPath: "/front", ReadOnly: true}},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt(tlsFrontPorts["after"])}},
					PeriodSeconds: 1,
				},
			}},
			Volumes: []corev1.Volume{{Name: "front", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: tlsFrontName}}}},
		},
	}, metav1.CreateOptions{})
	must(w.t, err)
	_, err = w.core.Services(w.namespace).Create(w.t.Context(), &corev1.Service{
		ObjectMeta: object,
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromInt(tlsFrontPorts["before"])}}},
	}, metav1.CreateOptions{})
	must(w.t, err)
	return f
}

func (f *tlsFront) host() string { return tlsFrontName + "." + f.w.namespace + ".svc.cluster.local" }

func (f *tlsFront) url() string { return "https://" + f.host() }

// serve has connections from now on meet the certificate of that name.
func (f *tlsFront) serve(name string) {
	f.w.t.Helper()
	patch := fmt.Sprintf(`[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": %d}]`, tlsFrontPorts[name])
	_, err := f.w.core.Services(f.w.namespace).Patch(f.w.t.Context(), tlsFrontName, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	must(f.w.t, err)
}

// certificate makes one for the front's host with its key, both PEM.
func (f *tlsFront) certificate(name string) (certificate, key string) {
	f.w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(f.w.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{f.host()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(f.w.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(f.w.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}
