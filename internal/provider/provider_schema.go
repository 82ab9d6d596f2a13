package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// providerModel keeps the two parts as objects: any value in them, or the whole, may be unknown while a plan is made.
type providerModel struct {
	Namespace   types.String `tfsdk:"namespace"`
	Kubernetes  types.Object `tfsdk:"kubernetes"`
	ObjectStore types.Object `tfsdk:"object_store"`
}

type kubernetesModel struct {
	Host                  types.String `tfsdk:"host"`
	Username              types.String `tfsdk:"username"`
	Password              types.String `tfsdk:"password"`
	Token                 types.String `tfsdk:"token"`
	Insecure              types.Bool   `tfsdk:"insecure"`
	TLSServerName         types.String `tfsdk:"tls_server_name"`
	ClientCertificate     types.String `tfsdk:"client_certificate"`
	ClientKey             types.String `tfsdk:"client_key"`
	ClusterCACertificate  types.String `tfsdk:"cluster_ca_certificate"`
	ConfigPath            types.String `tfsdk:"config_path"`
	ConfigPaths           types.List   `tfsdk:"config_paths"`
	ConfigContext         types.String `tfsdk:"config_context"`
	ConfigContextAuthInfo types.String `tfsdk:"config_context_auth_info"`
	ConfigContextCluster  types.String `tfsdk:"config_context_cluster"`
	ProxyURL              types.String `tfsdk:"proxy_url"`
	Exec                  *execModel   `tfsdk:"exec"`
}

type execModel struct {
	APIVersion types.String `tfsdk:"api_version"`
	Command    types.String `tfsdk:"command"`
	Args       types.List   `tfsdk:"args"`
	Env        types.Map    `tfsdk:"env"`
}

type providerObjectStore struct {
	DestinationPath types.String         `tfsdk:"destination_path"`
	EndpointURL     types.String         `tfsdk:"endpoint_url"`
	PodEndpointURL  types.String         `tfsdk:"pod_endpoint_url"`
	Region          types.String         `tfsdk:"region"`
	AccessKeyID     types.String         `tfsdk:"access_key_id"`
	SecretAccessKey types.String         `tfsdk:"secret_access_key"`
	SessionToken    types.String         `tfsdk:"session_token"`
	Profile         types.String         `tfsdk:"profile"`
	AssumeRole      *assumeRoleModel     `tfsdk:"assume_role"`
	UsePathStyle    types.Bool           `tfsdk:"use_path_style"`
	CACertificate   types.String         `tfsdk:"ca_certificate"`
	PodCredentials  *podCredentialsModel `tfsdk:"pod_credentials"`
	PodIAMRoleARN   types.String         `tfsdk:"pod_iam_role_arn"`
}

type assumeRoleModel struct {
	RoleARN     types.String `tfsdk:"role_arn"`
	SessionName types.String `tfsdk:"session_name"`
	ExternalID  types.String `tfsdk:"external_id"`
}

type podCredentialsModel struct {
	AccessKeyID     types.String `tfsdk:"access_key_id"`
	SecretAccessKey types.String `tfsdk:"secret_access_key"`
}

func providerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "PostgreSQL databases with backups and point-in-time recovery, run by CloudNativePG on Kubernetes, with backups in S3.",
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Namespace of resources that name none. Default `default`. Changing it plans to replace each of them, as a change of its own `namespace` does, and `deletion_protection` refuses that.",
				Validators:          namespaceValidators(),
			},
			"kubernetes":   kubernetesSchema(),
			"object_store": objectStoreSchema(),
		},
	}
}

func kubernetesSchema() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach the Kubernetes API server. The names and environment variables are those of the " +
			"`hashicorp/kubernetes` provider. A value in the configuration beats the environment, and so it does variables that say the same in another way: " +
			"where the configuration says which API server (`host`, `config_path`), how it is trusted or who one is there, the environment does not. " +
			"Credentials that are set here or in the environment take the place of those in the kubeconfig. Default: with nothing set, the service account of the pod that Terraform runs in. " +
			"Changing it to another Kubernetes cluster, by whichever attribute, loses sight of every database: it is not found there, and planned anew, while the one that there was lives on without Terraform.",
		Attributes: map[string]schema.Attribute{
			"host":                     schema.StringAttribute{Optional: true, MarkdownDescription: "Address of the API server, `https://host:port`. Default: `KUBE_HOST`, else that of the kubeconfig."},
			"username":                 schema.StringAttribute{Optional: true, MarkdownDescription: "User name for HTTP basic authentication. Default: `KUBE_USER`."},
			"password":                 schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Password for HTTP basic authentication. Default: `KUBE_PASSWORD`."},
			"token":                    schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Bearer token. Default: `KUBE_TOKEN`, else who the kubeconfig says."},
			"insecure":                 schema.BoolAttribute{Optional: true, MarkdownDescription: "Accept any certificate of the API server. Default: `KUBE_INSECURE`, else `false`."},
			"tls_server_name":          schema.StringAttribute{Optional: true, MarkdownDescription: "Name that the API server's certificate must carry. Default: `KUBE_TLS_SERVER_NAME`, else the host's."},
			"client_certificate":       schema.StringAttribute{Optional: true, MarkdownDescription: "Client certificate, PEM. Default: `KUBE_CLIENT_CERT_DATA`."},
			"client_key":               schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Key of the client certificate, PEM. Default: `KUBE_CLIENT_KEY_DATA`."},
			"cluster_ca_certificate":   schema.StringAttribute{Optional: true, MarkdownDescription: "Certificates of the authorities that sign the API server's, PEM. Default: `KUBE_CLUSTER_CA_CERT_DATA`, else the system's."},
			"config_path":              schema.StringAttribute{Optional: true, MarkdownDescription: "Path of a kubeconfig file. Default: `KUBE_CONFIG_PATH`; `KUBECONFIG` is not read."},
			"config_paths":             schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Paths of kubeconfig files that are merged. Default: `KUBE_CONFIG_PATHS`, separated as in `PATH`.", Validators: []validator.List{listvalidator.ConflictsWith(path.MatchRelative().AtParent().AtName("config_path"))}},
			"config_context":           schema.StringAttribute{Optional: true, MarkdownDescription: "Context of the kubeconfig. Default: `KUBE_CTX`, else its current one."},
			"config_context_auth_info": schema.StringAttribute{Optional: true, MarkdownDescription: "User of the kubeconfig, instead of the context's. Default: `KUBE_CTX_AUTH_INFO`."},
			"config_context_cluster":   schema.StringAttribute{Optional: true, MarkdownDescription: "Cluster of the kubeconfig, instead of the context's. Default: `KUBE_CTX_CLUSTER`."},
			"proxy_url":                schema.StringAttribute{Optional: true, MarkdownDescription: "Proxy to the API server, `http://host:port`. Default: `KUBE_PROXY_URL`, else what `HTTPS_PROXY` and `NO_PROXY` say."},
			"exec": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "A command that prints credentials, as kubeconfig files name it. When it fails, the error quotes what it wrote to stderr, without the values of `env`. Default: none.",
				Attributes: map[string]schema.Attribute{
					"api_version": schema.StringAttribute{Required: true, MarkdownDescription: "Version of the ExecCredential that the command prints, such as `client.authentication.k8s.io/v1`."},
					"command":     schema.StringAttribute{Required: true, MarkdownDescription: "The command."},
					"args":        schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Its arguments. Default: none."},
					"env":         schema.MapAttribute{Optional: true, Sensitive: true, ElementType: types.StringType, MarkdownDescription: "Environment variables for it, beside those of Terraform. Default: none."},
				},
			},
		},
	}
}

func objectStoreSchema() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "The S3 that databases archive to. Default: what is not set comes from the AWS SDK's own chain: `AWS_*` environment variables, `AWS_ENDPOINT_URL_S3`, shared files, instance roles.\n\n" +
			"Two identities use it. Terraform lists the archive with this one. The database pods get `pod_credentials` or `pod_iam_role_arn`, or else `access_key_id` and `secret_access_key` where both are set here, " +
			"unless a database names a Secret of its own (`backup.credentials_secret`); keys from the environment, a profile or an assumed role are never given to pods, since they expire.\n\n" +
			"Changing it, as far as it concerns the pods, is an update of every database that uses it.",
		Attributes: map[string]schema.Attribute{
			"destination_path":  schema.StringAttribute{Optional: true, MarkdownDescription: "Where archives lie: `s3://bucket` or `s3://bucket/prefix`. The bucket must exist. Default: none; what has backups then names one itself. Changing it begins a new archive there of each database that has no other, with a base backup.", Validators: []validator.String{isDestinationPath()}},
			"endpoint_url":      schema.StringAttribute{Optional: true, MarkdownDescription: "Address of the S3 API as Terraform reaches it. Default: `AWS_ENDPOINT_URL_S3`, else AWS.", Validators: []validator.String{isURL()}},
			"pod_endpoint_url":  schema.StringAttribute{Optional: true, MarkdownDescription: "Address of the S3 API as the database pods reach it, where that is another one. Default: `endpoint_url`; without either, a new database gets `AWS_ENDPOINT_URL_S3`, and one that lives keeps what it has.", Validators: []validator.String{isURL()}},
			"region":            schema.StringAttribute{Optional: true, MarkdownDescription: "Region of the bucket. Default: `AWS_REGION`, else the profile's. Where it is not set, the pods of a new database get `AWS_REGION`, and those of one that lives keep what they have."},
			"access_key_id":     schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Access key, for Terraform and, without `pod_credentials`, for the database pods. Default: the AWS SDK's own chain, for Terraform alone.", Validators: []validator.String{stringvalidator.AlsoRequires(path.MatchRelative().AtParent().AtName("secret_access_key"))}},
			"secret_access_key": schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Secret of the access key. Default: as of `access_key_id`.", Validators: []validator.String{stringvalidator.AlsoRequires(path.MatchRelative().AtParent().AtName("access_key_id"))}},
			"session_token":     schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Session token of a temporary access key. Such a key expires, so the database pods never get it: set `pod_credentials` beside it. Default: none."},
			"profile":           schema.StringAttribute{Optional: true, MarkdownDescription: "Profile of the shared AWS configuration files. Default: `AWS_PROFILE`."},
			"assume_role": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Role that Terraform assumes to list archives. Default: none.",
				Attributes: map[string]schema.Attribute{
					"role_arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role."},
					"session_name": schema.StringAttribute{Optional: true, MarkdownDescription: "Name of the session, for audit logs. Default `terraform-provider-pgplatform`."},
					"external_id":  schema.StringAttribute{Optional: true, MarkdownDescription: "External ID that the role's trust policy asks for. Default: none."},
				},
			},
			"use_path_style": schema.BoolAttribute{Optional: true, MarkdownDescription: "Address buckets as `endpoint/bucket`. Default: `true` where an endpoint is set, else `false`."},
			"ca_certificate": schema.StringAttribute{Optional: true, MarkdownDescription: "Certificates of the authorities that sign the S3 endpoint's, PEM, for Terraform and for the database pods. Default: the system's; what `AWS_CA_BUNDLE` names is for Terraform alone.", Validators: []validator.String{isCertificate()}},
			"pod_credentials": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Access key for the database pods, where it is another one than Terraform's. Not together with `pod_iam_role_arn`. Default: `access_key_id` and `secret_access_key`. Changing it rotates the key of each database without a restart.",
				Validators:          []validator.Object{objectvalidator.ConflictsWith(path.MatchRelative().AtParent().AtName("pod_iam_role_arn"))},
				Attributes: map[string]schema.Attribute{
					"access_key_id":     schema.StringAttribute{Required: true, Sensitive: true, MarkdownDescription: "Access key."},
					"secret_access_key": schema.StringAttribute{Required: true, Sensitive: true, MarkdownDescription: "Secret of the access key."},
				},
			},
			"pod_iam_role_arn": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "IAM role of the database pods on EKS, instead of an access key: it is written to their service account (`eks.amazonaws.com/role-arn`). " +
					"A pod takes the role up when it is started. Default: none.",
				Validators: []validator.String{isRoleARN()},
			},
		},
	}
}
