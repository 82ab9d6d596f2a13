package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Every way to reach S3 and to be somebody there, from the provider's block to the signatures that the store has seen. The
// variables are those of the process, so these tests do not run beside others.

// ofPods are the keys of the database pods in these tests: whoever Terraform is, they stay the same.
const ofPods = `pod_credentials = { access_key_id = "OFPODSACCESSKEY00001", secret_access_key = "of-pods" }`

// stores are two S3 stores with the same bucket, and a token service for the first.
type stores struct {
	*fakes
	other    *s3test.Server
	tls      *s3test.Server
	sts      *s3test.STS
	wrongCA  string
	profiles string // a shared credentials file
	folder   string
}

// Keys that the first store takes, beside its own.
var (
	secondKey    = s3test.Key{ID: "SECONDACCESSKEY00001", Secret: "second-secret"}
	temporaryKey = s3test.Key{ID: "ASIATEMPORARY0000001", Secret: "temporary-secret", SessionToken: "temporary-token"}
)

func newStores(t *testing.T) *stores {
	t.Helper()
	s := &stores{fakes: operated(t), other: s3test.New(t), tls: s3test.NewTLS(t), folder: t.TempDir()}
	s.sts = s3test.NewSTS(t, s.s3)
	s.other.CreateBucket(fakeBucket)
	s.tls.CreateBucket(fakeBucket)
	for _, key := range []s3test.Key{secondKey, temporaryKey} {
		s.s3.AddKey(key)
	}
	certificate, _ := apitest.NewTLS(t).ClientCertificate(t, "nobody")
	s.wrongCA = string(certificate)
	s.profiles = s.write("credentials", fmt.Sprintf(`
[first]
aws_access_key_id = %s
aws_secret_access_key = %s
[second]
aws_access_key_id = %s
aws_secret_access_key = %s
`, s3test.AccessKeyID, s3test.SecretAccessKey, secondKey.ID, secondKey.Secret))
	return s
}

func (s *stores) write(name, text string) string {
	path := filepath.Join(s.folder, name)
	must(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// bareAWS removes from the environment and the home folder what could say who one is at AWS.
func bareAWS(t *testing.T) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
}

// create makes a database with backups, which has Terraform look at the bucket.
func (s *stores) create(t *testing.T, store ...string) terraformtest.Diagnostics {
	t.Helper()
	w := terraformtest.New(t, onFakes)
	w.Write(fmt.Sprintf("provider \"pgplatform\" {\n  namespace = %q\n  kubernetes = { config_path = %q }\n  object_store = {\n    destination_path = \"s3://%s/pg\"\n%s\n%s\n  }\n}\n",
		fakeNamespace, s.kubeconfig, fakeBucket, ofPods, strings.Join(store, "\n")) + goodDatabase)
	diags := w.Apply(t.Context())
	if !diags.HasError() {
		secret := apitest.Get[corev1.Secret](s.kube, fakeNamespace, "my-db-backup-s3-creds")
		if got := string(secret.Data["ACCESS_KEY_ID"]); got != "OFPODSACCESSKEY00001" {
			t.Errorf("the pods got the key %s", got)
		}
	}
	return diags
}

// all tells whether a store had requests, and all were as they should be.
func all(server *s3test.Server, is func(s3test.Request) bool) bool {
	requests := server.Requests()
	return len(requests) > 0 && !slices.ContainsFunc(requests, func(r s3test.Request) bool { return !is(r) })
}

func signedBy(id string) func(*stores) bool {
	return func(s *stores) bool { return all(s.s3, func(r s3test.Request) bool { return r.AccessKeyID == id }) }
}

// inRegion tells whether Terraform's requests and the pods had a region.
func inRegion(region string) func(*stores) bool {
	return func(s *stores) bool {
		secret := apitest.Get[corev1.Secret](s.kube, fakeNamespace, "my-db-backup-s3-creds")
		return secret != nil && string(secret.Data["REGION"]) == region && all(s.s3, func(r s3test.Request) bool { return r.Region == region })
	}
}

func TestObjectStoreSettings(t *testing.T) {
	const keys = "access_key_id = \"" + s3test.AccessKeyID + "\"\nsecret_access_key = \"" + s3test.SecretAccessKey + "\""
	at := func(s *stores) string { return fmt.Sprintf("endpoint_url = %q", s.s3.URL) }
	// Of each test: what the configuration has in any case; what the test is about, in the configuration or in variables;
	// and the same with other values, which must lose against it.
	type variables = map[string]string
	tests := map[string]struct {
		besides           func(*stores) string
		configured        func(*stores) string
		exported, another func(*stores) variables
		seen              func(*stores) bool
	}{
		"endpoint_url": {
			besides:    func(*stores) string { return keys },
			configured: at,
			exported: func(s *stores) variables {
				return variables{"AWS_ENDPOINT_URL_S3": s.s3.URL, "AWS_ENDPOINT_URL": s.other.URL}
			},
			another: func(s *stores) variables { return variables{"AWS_ENDPOINT_URL_S3": s.other.URL} },
			seen:    func(s *stores) bool { return signedBy(s3test.AccessKeyID)(s) && s.other.Count("") == 0 },
		},
		"endpoint_url of all services": {
			besides:    func(*stores) string { return keys },
			configured: at,
			exported:   func(s *stores) variables { return variables{"AWS_ENDPOINT_URL": s.s3.URL} },
			another:    func(s *stores) variables { return variables{"AWS_ENDPOINT_URL": s.other.URL} },
			seen:       func(s *stores) bool { return signedBy(s3test.AccessKeyID)(s) && s.other.Count("") == 0 },
		},
		"region": {
			besides:    func(s *stores) string { return at(s) + "\n" + keys },
			configured: func(*stores) string { return `region = "eu-west-3"` },
			exported:   func(*stores) variables { return variables{"AWS_REGION": "eu-west-3"} },
			another:    func(*stores) variables { return variables{"AWS_REGION": "us-west-2"} },
			seen:       inRegion("eu-west-3"),
		},
		"region of older tools": {
			besides:    func(s *stores) string { return at(s) + "\n" + keys },
			configured: func(*stores) string { return `region = "eu-west-3"` },
			exported:   func(*stores) variables { return variables{"AWS_DEFAULT_REGION": "eu-west-3"} },
			another:    func(*stores) variables { return variables{"AWS_DEFAULT_REGION": "us-west-2"} },
			seen:       inRegion("eu-west-3"),
		},
		"region in both variables": {
			besides:    func(s *stores) string { return at(s) + "\n" + keys },
			configured: func(*stores) string { return `region = "eu-west-3"` },
			exported: func(*stores) variables {
				return variables{"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-west-2"}
			},
			another: func(*stores) variables {
				return variables{"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}
			},
			seen: inRegion("eu-west-3"),
		},
		"access_key_id and secret_access_key": {
			besides:    at,
			configured: func(*stores) string { return keys },
			exported: func(*stores) variables {
				return variables{"AWS_ACCESS_KEY_ID": s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY": s3test.SecretAccessKey}
			},
			another: func(*stores) variables {
				return variables{"AWS_ACCESS_KEY_ID": secondKey.ID, "AWS_SECRET_ACCESS_KEY": secondKey.Secret, "AWS_SESSION_TOKEN": "of-another-key"}
			},
			seen: signedBy(s3test.AccessKeyID),
		},
		"session_token": {
			besides: at,
			configured: func(*stores) string {
				return fmt.Sprintf("access_key_id = %q\nsecret_access_key = %q\nsession_token = %q", temporaryKey.ID, temporaryKey.Secret, temporaryKey.SessionToken)
			},
			exported: func(*stores) variables {
				return variables{"AWS_ACCESS_KEY_ID": temporaryKey.ID, "AWS_SECRET_ACCESS_KEY": temporaryKey.Secret, "AWS_SESSION_TOKEN": temporaryKey.SessionToken}
			},
			another: func(*stores) variables {
				return variables{"AWS_ACCESS_KEY_ID": secondKey.ID, "AWS_SECRET_ACCESS_KEY": secondKey.Secret, "AWS_SESSION_TOKEN": "expired"}
			},
			seen: signedBy(temporaryKey.ID),
		},
		"profile": {
			besides:    at,
			configured: func(*stores) string { return `profile = "second"` },
			exported:   func(*stores) variables { return variables{"AWS_PROFILE": "second"} },
			another:    func(*stores) variables { return variables{"AWS_PROFILE": "first"} },
			seen:       signedBy(secondKey.ID),
		},
		"profile against keys in the environment": {
			besides:    at,
			configured: func(*stores) string { return `profile = "second"` },
			another: func(*stores) variables {
				return variables{"AWS_ACCESS_KEY_ID": s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY": s3test.SecretAccessKey}
			},
			seen: signedBy(secondKey.ID),
		},
		"ca_certificate": {
			besides:    func(s *stores) string { return fmt.Sprintf("endpoint_url = %q\n%s", s.tls.URL, keys) },
			configured: func(s *stores) string { return fmt.Sprintf("ca_certificate = %q", s.tls.CA) },
			exported:   func(s *stores) variables { return variables{"AWS_CA_BUNDLE": s.write("right.pem", string(s.tls.CA))} },
			another:    func(s *stores) variables { return variables{"AWS_CA_BUNDLE": s.write("wrong.pem", s.wrongCA)} },
			seen: func(s *stores) bool {
				return all(s.tls, func(r s3test.Request) bool { return r.AccessKeyID == s3test.AccessKeyID })
			},
		},
	}
	for name, test := range tests {
		run := func(how string, wantSeen bool, configured func(*stores) string, exported func(*stores) variables) {
			t.Run(name+" "+how, func(t *testing.T) {
				bareAWS(t)
				s := newStores(t)
				t.Setenv("AWS_SHARED_CREDENTIALS_FILE", s.profiles)
				for variable, value := range exported(s) {
					t.Setenv(variable, value)
				}
				diags := s.create(t, test.besides(s), configured(s))
				if seen := test.seen(s); seen != wantSeen || wantSeen && diags.HasError() {
					t.Errorf("seen: %t, want %t\nrequests: %+v\n%s", seen, wantSeen, s.s3.Requests(), diags)
				}
			})
		}
		nothing := func(*stores) string { return "" }
		run("configured", true, test.configured, func(*stores) variables { return nil })
		if test.exported != nil {
			run("in the environment", true, nothing, test.exported)
		}
		run("against the environment", true, test.configured, test.another)
		run("of another value", false, nothing, test.another) // or else the line before would show nothing
	}
}

func TestObjectStoreAssumeRole(t *testing.T) {
	bareAWS(t)
	s := newStores(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.sts.URL)
	const role = "arn:aws:iam::123456789012:role/reader"
	diags := s.create(t, fmt.Sprintf(`
endpoint_url      = %q
access_key_id     = %q
secret_access_key = %q
assume_role       = { role_arn = %q, session_name = "nightly", external_id = "ours" }
`, s.s3.URL, secondKey.ID, secondKey.Secret, role))
	if diags.HasError() {
		t.Fatal(diags)
	}
	calls := s.sts.Calls()
	if len(calls) != 1 {
		t.Fatalf("the role was assumed %d times", len(calls))
	}
	want := s3test.AssumeRole{AccessKeyID: secondKey.ID, RoleARN: role, SessionName: "nightly", ExternalID: "ours", Given: calls[0].Given}
	if calls[0] != want || !signedBy(want.Given)(s) {
		t.Errorf("the role was assumed by %+v, the store asked by %+v", calls[0], s.s3.Requests())
	}
}

func TestObjectStoreAssumeRoleDenied(t *testing.T) {
	bareAWS(t)
	s := newStores(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.sts.URL)
	s.sts.Deny()
	diags := s.create(t, fmt.Sprintf(`
endpoint_url      = %q
access_key_id     = %q
secret_access_key = %q
assume_role       = { role_arn = "arn:aws:iam::123456789012:role/reader" }
`, s.s3.URL, secondKey.ID, secondKey.Secret))
	if !says("Unable to Create Database", "sts:AssumeRole on arn:aws:iam::123456789012:role/reader").MatchString(diags.String()) {
		t.Errorf("got %s", diags)
	}
	if calls := s.sts.Calls(); len(calls) != 1 || calls[0].SessionName != "terraform-provider-pgplatform" || s.s3.Count("") > 0 {
		t.Errorf("calls %+v, requests %+v", calls, s.s3.Requests())
	}
}

// With the bucket in the host name, a store is asked for by another name, which nobody can resolve here.
//
//nolint:paralleltest // the environment is the process's
func TestObjectStorePathStyle(t *testing.T) {
	for style, host := range map[string]string{
		"use_path_style = false": fakeBucket + ".s3.invalid",
		"use_path_style = true":  "s3.invalid",
		"":                       "s3.invalid",
	} {
		t.Run(style, func(t *testing.T) {
			bareAWS(t)
			diags := newStores(t).create(t, fmt.Sprintf("endpoint_url = \"http://s3.invalid\"\naccess_key_id = %q\nsecret_access_key = %q\n%s",
				s3test.AccessKeyID, s3test.SecretAccessKey, style))
			if diags.HasError() || !says("Object Store Not Reachable From Here", "host name "+host+" cannot be resolved").MatchString(diags.Warnings().String()) {
				t.Errorf("got %s", diags)
			}
		})
	}
}

// Each is an error of the plan that names the setting, and holds no secret.
func TestBadObjectStoreSettings(t *testing.T) {
	const secret = "s3cr3t-s3cr3t"
	const keys = "access_key_id = \"A\"\nsecret_access_key = \"" + secret + "\"\n"
	tests := map[string]struct {
		store    string
		variable string // and its value
		want     []string
	}{
		"destination_path":             {`destination_path = "backups/pg"`, "", []string{"object_store.destination_path", "must begin with s3://"}},
		"endpoint_url":                 {`endpoint_url = "localhost:4566"`, "", []string{"object_store.endpoint_url", `"localhost:4566" is no address such as https://s3.example.com`}},
		"endpoint_url with a password": {`endpoint_url = "ftp://me:` + secret + `@s3.example.com"`, "", []string{"object_store.endpoint_url", "it is no address such as"}},
		"endpoint_url with a user":     {`endpoint_url = "https://me:` + secret + `@s3.example.com"`, "", []string{"object_store.endpoint_url", "it holds a user or a password"}},
		"pod_endpoint_url":             {`pod_endpoint_url = "localstack"`, "", []string{"object_store.pod_endpoint_url", "is no address such as"}},
		"half of the keys":             {`access_key_id = "A"`, "", []string{"object_store.secret_access_key"}},
		"the other half of the keys":   {`secret_access_key = "` + secret + `"`, "", []string{"object_store.access_key_id"}},
		"ca_certificate":               {keys + `ca_certificate = "nonsense"`, "", []string{"object_store.ca_certificate", "holds no certificate in PEM form"}},
		"pod_iam_role_arn": {
			`pod_iam_role_arn = "arn:aws:iam::123456789012:user/backups"`, "",
			[]string{"object_store.pod_iam_role_arn", `"arn:aws:iam::123456789012:user/backups" is no ARN of an IAM role`},
		},
		"pod_iam_role_arn beside pod_credentials": {
			`pod_iam_role_arn = "arn:aws:iam::123456789012:role/backups"`, "",
			[]string{`"object_store.pod_iam_role_arn" cannot be specified when "object_store.pod_credentials" is specified`},
		},
		"profile":       {`profile = "nope"`, "", []string{"backup", `the profile "nope" (of the configuration, or AWS_PROFILE) is not in the shared AWS files`}},
		"AWS_PROFILE":   {"", "AWS_PROFILE=nope", []string{"backup", `the profile "nope" (of the configuration, or AWS_PROFILE) is not in the shared AWS files`}},
		"AWS_CA_BUNDLE": {keys, "AWS_CA_BUNDLE=/does/not/exist", []string{"backup", "/does/not/exist"}},
		"AWS_ENDPOINT_URL_S3": {
			keys, "AWS_ENDPOINT_URL_S3=localhost:4566",
			[]string{"Invalid Environment Variable", "endpoint_url", `AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL): "localhost:4566" is no address`},
		},
		"AWS_ENDPOINT_URL_S3 with a password": {
			keys, "AWS_ENDPOINT_URL_S3=https://me:" + secret + "@s3.example.com",
			[]string{"Invalid Environment Variable", "endpoint_url", "AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL): it holds a user or a password"},
		},
		"AWS_ENDPOINT_URL with a password": {
			keys, "AWS_ENDPOINT_URL=https://me:" + secret + "@h:port",
			[]string{"Invalid Environment Variable", "endpoint_url", "AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL): it is no address such as"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bareAWS(t)
			s := newStores(t)
			if variable, value, ok := strings.Cut(test.variable, "="); ok {
				t.Setenv(variable, value)
			}
			store := ofPods + "\n" + test.store
			if !strings.Contains(store, "destination_path") {
				store += "\ndestination_path = \"s3://" + fakeBucket + "/pg\""
			}
			w := terraformtest.New(t, onFakes)
			w.Write(fmt.Sprintf("provider \"pgplatform\" {\n  namespace = %q\n  kubernetes = { config_path = %q }\n  object_store = {\n%s\n}\n}\n",
				fakeNamespace, s.kubeconfig, store) + goodDatabase)
			_, diags := w.Plan(t.Context())
			if text := diags.Errors().String(); !says(test.want...).MatchString(text) || strings.Contains(text, secret) {
				t.Errorf("want %q, got %s", test.want, text)
			}
			s.nothingWritten(t)
		})
	}
}
