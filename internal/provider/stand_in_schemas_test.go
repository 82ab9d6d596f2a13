package provider_test

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// schemaStandIn is another provider whose resources can be planned and nothing else: of hashicorp/aws and hashicorp/kubernetes, which
// come from a registry and ask AWS and an API server while they plan, it has what the documents use. The names, types and nesting
// are those of their sources, bucket.go, bucket_versioning.go, bucket_public_access_block.go and
// bucket_lifecycle_configuration.go in internal/service/s3, role.go and role_policy.go in internal/service/iam of the one,
// manifest/provider of the other.
type schemaStandIn struct {
	name      string
	resources map[string]schema.Schema
}

var awsResources = map[string]schema.Schema{
	"aws_iam_role": {Attributes: map[string]schema.Attribute{
		"id":                 schema.StringAttribute{Computed: true},
		"arn":                schema.StringAttribute{Computed: true},
		"name":               schema.StringAttribute{Optional: true, Computed: true},
		"assume_role_policy": schema.StringAttribute{Required: true},
	}},
	"aws_iam_role_policy": {Attributes: map[string]schema.Attribute{
		"id":     schema.StringAttribute{Computed: true},
		"name":   schema.StringAttribute{Optional: true, Computed: true},
		"role":   schema.StringAttribute{Required: true},
		"policy": schema.StringAttribute{Required: true},
	}},
	"aws_s3_bucket": {Attributes: map[string]schema.Attribute{
		"id":     schema.StringAttribute{Computed: true},
		"arn":    schema.StringAttribute{Computed: true},
		"bucket": schema.StringAttribute{Optional: true, Computed: true},
	}},
	"aws_s3_bucket_public_access_block": {Attributes: map[string]schema.Attribute{
		"id":                      schema.StringAttribute{Computed: true},
		"bucket":                  schema.StringAttribute{Required: true},
		"block_public_acls":       schema.BoolAttribute{Optional: true},
		"block_public_policy":     schema.BoolAttribute{Optional: true},
		"ignore_public_acls":      schema.BoolAttribute{Optional: true},
		"restrict_public_buckets": schema.BoolAttribute{Optional: true},
	}},
	"aws_s3_bucket_versioning": {
		Attributes: map[string]schema.Attribute{
			"id":     schema.StringAttribute{Computed: true},
			"bucket": schema.StringAttribute{Required: true},
		},
		Blocks: map[string]schema.Block{"versioning_configuration": nested(map[string]schema.Attribute{
			"status":     schema.StringAttribute{Required: true},
			"mfa_delete": schema.StringAttribute{Optional: true, Computed: true},
		}, nil)},
	},
	"aws_s3_bucket_lifecycle_configuration": {
		Attributes: map[string]schema.Attribute{
			"id":     schema.StringAttribute{Computed: true},
			"bucket": schema.StringAttribute{Required: true},
		},
		Blocks: map[string]schema.Block{"rule": nested(map[string]schema.Attribute{
			"id":     schema.StringAttribute{Required: true},
			"status": schema.StringAttribute{Required: true},
		}, map[string]schema.Block{
			"filter": nested(map[string]schema.Attribute{"prefix": schema.StringAttribute{Optional: true, Computed: true}}, nil),
			"noncurrent_version_expiration": nested(map[string]schema.Attribute{
				"newer_noncurrent_versions": schema.Int32Attribute{Optional: true, Computed: true},
				"noncurrent_days":           schema.Int32Attribute{Required: true},
			}, nil),
			"expiration": nested(map[string]schema.Attribute{
				"date":                         schema.StringAttribute{Optional: true},
				"days":                         schema.Int32Attribute{Optional: true, Computed: true},
				"expired_object_delete_marker": schema.BoolAttribute{Optional: true, Computed: true},
			}, nil),
			"abort_incomplete_multipart_upload": nested(map[string]schema.Attribute{"days_after_initiation": schema.Int32Attribute{Optional: true}}, nil),
		})},
	},
}

var kubernetesResources = map[string]schema.Schema{
	"kubernetes_manifest": {Attributes: map[string]schema.Attribute{
		"manifest": schema.DynamicAttribute{Required: true},
		"object":   schema.DynamicAttribute{Optional: true, Computed: true},
	}},
}

func nested(attributes map[string]schema.Attribute, blocks map[string]schema.Block) schema.Block {
	return schema.ListNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: attributes, Blocks: blocks}}
}

func (p *schemaStandIn) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = p.name
}

func (*schemaStandIn) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (*schemaStandIn) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}

func (p *schemaStandIn) Resources(context.Context) (all []func() resource.Resource) {
	for name, is := range p.resources {
		all = append(all, func() resource.Resource { return &schemaStandInResource{name: name, schema: is} })
	}
	return all
}

func (*schemaStandIn) DataSources(context.Context) []func() datasource.DataSource { return nil }

// schemaStandInResource has a schema, and is never made.
type schemaStandInResource struct {
	name   string
	schema schema.Schema
}

func (r *schemaStandInResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = r.name
}

func (r *schemaStandInResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = r.schema
}

func (*schemaStandInResource) Create(_ context.Context, _ resource.CreateRequest, resp *resource.CreateResponse) {
	resp.Diagnostics.AddError("Not Made", "This provider takes the place of another one in tests, and only plans.")
}

func (*schemaStandInResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (*schemaStandInResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {
}

func (*schemaStandInResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {
}
