package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// credentialsExample is the documented configuration, in which the credentials of a database configure the PostgreSQL provider.
const credentialsExample = "../../examples/ephemeral-resources/pgplatform_credentials/ephemeral-resource.tf"

// psql puts a program of that name on the PATH of what the CLI runs.
func (w *workdir) psql(script string) {
	w.t.Helper()
	w.path = w.t.TempDir()
	must(w.t, os.WriteFile(filepath.Join(w.path, "psql"), []byte("#!/bin/sh\n"+script), 0o700))
}

// The documented example: in the apply that makes the database, and in each plan and apply after it, the PostgreSQL provider gets
// the password, and neither state, plan file, log at its most verbose nor output has it. Terraform reads it while it plans an update,
// OpenTofu when that is done.
func TestCredentialsAreNowhere(t *testing.T) {
	t.Parallel()
	f := operated(t)
	const password = "of-the-application-0123456789"
	f.logins(password)
	example, err := os.ReadFile(credentialsExample)
	must(t, err)
	w := newWorkdir(t, f.provider(""), nil)
	w.write("example.tf", string(example))
	got := filepath.Join(t.TempDir(), "got")
	w.psql(fmt.Sprintf("env | grep -E '^PG[A-Z]+=' | LC_ALL=C sort >>%[1]q\ncat >>%[1]q\n", got))
	asked := func(sql string) {
		t.Helper()
		text, err := os.ReadFile(got)
		must(t, err)
		wanted := "PGDATABASE=app\nPGHOST=my-db-rw.myorg.svc\nPGPASSWORD=" + password + "\nPGPORT=5432\nPGSSLMODE=require\nPGUSER=app\n" + sql
		if !strings.HasSuffix(string(text), wanted) {
			t.Errorf("psql was asked:\n%s\nand not at last:\n%s", text, wanted)
		}
		must(t, os.Remove(got))
	}

	w.apply()
	asked("CREATE SCHEMA \"reporting\";\n")
	w.write("example.tf", strings.Replace(string(example), "  backup ", "  labels    = { team = \"shop\" }\n  deletion_protection = false\n  backup ", 1))
	w.apply()
	if !isOpenTofu() {
		asked("SELECT 1;\n")
	}
	w.run("plan", "-input=false")
	asked("SELECT 1;\n")
	if team := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db").Labels["team"]; team != "shop" {
		t.Errorf("the update made the label %q", team)
	}

	// What is said where it cannot be read has it no more than anything else.
	f.kube.Fail(apitest.Each(apitest.VerbGet, "secrets", apitest.Fault{Status: 403}))
	if output, err := w.try("plan", "-input=false"); err == nil || !says("Unable to Read Credentials", "Secret myorg/my-db-app: forbidden").MatchString(output) {
		t.Errorf("the refused plan: %v\n%s", err, output)
	}
	f.kube.Fail(nil)
	// In a destroy it is read before the database goes.
	w.run("destroy", "-auto-approve", "-input=false")
	asked("DROP SCHEMA \"reporting\";\n")
	if f.cluster() != nil {
		t.Error("the Cluster is still there")
	}
	w.search(fakeNamespace, fakeNamespace, map[string]string{"password": password})
}
