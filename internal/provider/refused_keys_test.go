package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Nobody can hand a resource or a data source keys: they would be in the state for everybody to read. The CLI says so, whether the key
// is known yet or not, and does not ignore it, as it does what it does not know within an object.
func TestKeysAreRefused(t *testing.T) {
	t.Parallel()
	places := map[string]struct{ block, at, instead string }{
		"list": {
			"data \"pgplatform_backups\" %q {\n  object_store = {\n    server_name = \"my-db-v1\"\n    %s = %s\n  }\n}\n",
			"object_store", "The archive is listed with the keys of the provider's object_store",
		},
		"source": {
			"resource \"pgplatform_restore\" %q {\n  name   = \"my-db-pitr\"\n  source = {\n    object_store = {\n      server_name = \"my-db-v1\"\n      %s = %s\n    }\n  }\n}\n",
			"source.object_store", "the pods have those of the Secret that source.credentials_secret names",
		},
		"restored": {
			"resource \"pgplatform_restore\" %q {\n  name   = \"my-db-pitr\"\n  source = { database = \"myorg/my-db\" }\n  backup = {\n    schedule = \"@daily\"\n    object_store = {\n      %s = %s\n    }\n  }\n}\n",
			"backup.object_store", "the Secret that backup.credentials_secret names",
		},
		"database": {
			"resource \"pgplatform_database\" %q {\n  name   = \"my-db\"\n  backup = {\n    schedule = \"@daily\"\n    object_store = {\n      %s = %s\n    }\n  }\n}\n",
			"backup.object_store", "the Secret that backup.credentials_secret names",
		},
	}
	config := "resource \"terraform_data\" \"key\" {}\n"
	wants := map[string][]string{}
	for place, is := range places {
		for _, key := range []string{"access_key_id", "secret_access_key", "session_token"} {
			for value, text := range map[string]string{"known": fmt.Sprintf("%q", s3test.SecretAccessKey), "unknown": "terraform_data.key.id"} {
				label := place + "_" + key + "_" + value
				config += fmt.Sprintf(is.block, label, key, text)
				wants[label] = []string{"Key in the Configuration of a Resource or Data Source", "Attribute " + is.at + "." + key + ": no key is taken here", is.instead}
			}
		}
	}
	f, _ := withSource(t)
	var output string
	unitCase(t, resource.TestCase{
		ErrorCheck: func(err error) error {
			output = err.Error()
			return nil
		},
		Steps: []resource.TestStep{{Config: f.config(config), PlanOnly: true}},
	})
	errors := strings.Split(output, "Error: ")[1:]
	if len(errors) != len(wants) {
		t.Errorf("%d errors, want %d:\n%s", len(errors), len(wants), output)
	}
	for _, text := range errors {
		for label, want := range wants {
			if strings.Contains(text, `"`+label+`"`) {
				delete(wants, label)
				if !says(want...).MatchString(text) {
					t.Errorf("%s: want %q:\n%s", label, want, text)
				}
			}
		}
	}
	if len(wants) > 0 {
		t.Errorf("no error for %v", wants)
	}
	if strings.Contains(output, s3test.SecretAccessKey) {
		t.Error("the errors tell the key")
	}
	if writes, all := f.kube.Writes(), f.s3.Count(""); len(writes) > 0 || all > 0 {
		t.Errorf("%d writes and %d requests of S3 for a configuration that is not valid", len(writes), all)
	}
}

// An attribute that is null is not set.
func TestKeysThatAreNullAreNotRefused(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.w.Write(s.config(restoreFrom("object_store = { server_name = \"my-db-v1\", access_key_id = null, secret_access_key = null, session_token = null }", goneDatabase) +
		"data \"pgplatform_backups\" \"all\" {\n  object_store = { server_name = \"my-db-v1\", access_key_id = null }\n}\n"))
	plan, diags := s.w.Plan(s.t.Context())
	if diags.HasError() || plan.Action(pitr) != terraformtest.Create {
		t.Errorf("planned is %s:\n%s", plan, diags)
	}
}
