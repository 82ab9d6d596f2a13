package workload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/envfile"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/store"
)

// WriteEnv writes what tells the clone's tests, examples and shells how to reach the platform: .platform/env, a
// file for `source`, and beside it what the file names (a folder of commands, the Terraform CLI's configuration).
func (w *Workload) WriteEnv(ctx context.Context, clone string) error {
	dir := filepath.Join(clone, ".platform")
	tools, err := w.findTools(ctx)
	if err != nil {
		return err
	}
	bin := filepath.Join(clone, linksDir)
	if err := tools.link(bin); err != nil {
		return fmt.Errorf("fill %s: %w", bin, err)
	}
	cliConfig := filepath.Join(dir, "terraform.rc")
	if err := os.WriteFile(cliConfig, []byte(terraformConfig(filepath.Join(clone, "bin"))), 0o644); err != nil {
		return err
	}
	file, err := w.env(dir, tools, cliConfig)
	if err != nil {
		return err
	}
	return file.Write(filepath.Join(dir, "env"))
}

func (w *Workload) env(dir string, tools tools, cliConfig string) (*envfile.File, error) {
	names, err := w.noted()
	if err != nil {
		return nil, err
	}
	keys, err := loadCredentials(w.credentialsFile())
	if err != nil {
		return nil, err
	}

	f := envfile.New(filepath.Join(dir, "bin"),
		"How to reach the platform. For `source` in a shell; written anew by every `make platform`.")
	f.Group("The platform's own folder, which goes with it")
	f.Set("PGPLATFORM_STATE", w.StateDir)

	f.Group("Kubernetes")
	f.Set("KUBECONFIG", w.Kubeconfig)
	f.Set("KUBE_CONFIG_PATH", w.Kubeconfig)
	f.Set("KUBECACHEDIR", filepath.Join(dir, "kube-cache"))

	f.Group("LocalStack's S3: as this machine reaches it, as pods reach it")
	f.Set("AWS_ENDPOINT_URL_S3", w.localStackURL())
	f.Set("PGPLATFORM_POD_ENDPOINT_URL", localStackPodURL())
	f.Set("AWS_REGION", Region)
	setAccount(f, "AWS", keys.LocalStack)
	f.Set("PGPLATFORM_BUCKET", Bucket)

	f.Group("versitygw, an S3 that is strict about keys: two accounts with a bucket each, and the one above them")
	f.Set("PGPLATFORM_STRICT_ENDPOINT_URL", w.versityURL())
	f.Set("PGPLATFORM_STRICT_POD_ENDPOINT_URL", versityPodURL())
	setAccount(f, "PGPLATFORM_STRICT", keys.Strict)
	f.Set("PGPLATFORM_STRICT_BUCKET", strictBucket)
	setAccount(f, "PGPLATFORM_STRICT_OTHER", keys.StrictOther)
	f.Set("PGPLATFORM_STRICT_OTHER_BUCKET", strictOtherBucket)
	setAccount(f, "PGPLATFORM_STRICT_ROOT", keys.StrictRoot)

	if w.servesTLS() {
		f.Group("The same accounts and buckets of versitygw over TLS, and the authority that its certificate is from")
		f.Set("PGPLATFORM_TLS_ENDPOINT_URL", w.versityTLSURL())
		f.Set("PGPLATFORM_TLS_POD_ENDPOINT_URL", versityTLSPodURL())
		f.Set("PGPLATFORM_TLS_CA_CERTIFICATE_FILE", w.authorityFile())
	}

	f.Group("PostgreSQL images that the cluster has")
	f.Set("PGPLATFORM_POSTGRES_IMAGES", strings.Join(names.Postgres(), " "))
	f.Set("PGPLATFORM_POSTGRES_15_OLD", names.Postgres15Old)
	f.Set("PGPLATFORM_POSTGRES_15", names.Postgres15)
	f.Set("PGPLATFORM_POSTGRES_17", names.Postgres17)
	if names.Postgres17Upgrade != "" {
		f.Set("PGPLATFORM_POSTGRES_17_UPGRADE", names.Postgres17Upgrade)
	}

	f.Group("How Clusters can back up here")
	f.Set("PGPLATFORM_BACKUP_METHODS", strings.Join(backupMethods(names.Names), " "))

	if names.LoopVolumes != "" {
		f.Group("A storage class whose volumes have real limits and grow; those of the default one do neither")
		f.Set("PGPLATFORM_GROWING_STORAGE_CLASS", GrowingClass)
	}

	f.Group("The Terraform CLI, which runs the provider that `make build` built")
	f.Set("TF_CLI_CONFIG_FILE", cliConfig)
	f.Set("TF_ACC_TERRAFORM_PATH", tools.cli)
	if tools.openTofu {
		f.Set("TF_ACC_PROVIDER_HOST", "registry.opentofu.org")
		f.Set("TF_ACC_PROVIDER_NAMESPACE", "hashicorp")
	}

	f.Group("The variables of the examples")
	f.Set("TF_VAR_kube_config_path", w.Kubeconfig)
	f.Set("TF_VAR_kube_context", w.Context)
	f.Set("TF_VAR_s3_endpoint_url", w.localStackURL())
	f.Set("TF_VAR_s3_pod_endpoint_url", localStackPodURL())
	f.Set("TF_VAR_s3_bucket", Bucket)
	f.Set("TF_VAR_s3_region", Region)
	f.Set("TF_VAR_s3_access_key_id", keys.LocalStack.AccessKeyID)
	f.Set("TF_VAR_s3_secret_access_key", keys.LocalStack.SecretAccessKey)
	return f, nil
}

// backupMethods are the values that the provider has for backup.method and that work here.
func backupMethods(names images.Names) []string {
	methods := []string{"barmanObjectStore"}
	if names.Plugin != "" {
		methods = append(methods, "plugin")
	}
	return methods
}

func setAccount(f *envfile.File, prefix string, a store.Account) {
	f.Set(prefix+"_ACCESS_KEY_ID", a.AccessKeyID)
	f.Set(prefix+"_SECRET_ACCESS_KEY", a.SecretAccessKey)
}

// terraformConfig is a CLI configuration in which the provider is what lies in the folder, for Terraform and
// OpenTofu, and everything else comes as usual.
func terraformConfig(providerDir string) string {
	return fmt.Sprintf(`# Written by make platform.
disable_checkpoint = true

provider_installation {
  dev_overrides {
    "registry.terraform.io/pgplatform/pgplatform" = %[1]q
    "registry.opentofu.org/pgplatform/pgplatform" = %[1]q
  }
  direct {}
}
`, providerDir)
}
