package provider

import (
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What barman can compress with. The CRD takes lz4 for base backups too, but barman-cloud-backup has no such option, so
// that every backup would fail.
var (
	walCompressions  = []string{"bzip2", "gzip", "lz4", "snappy", "xz", "zstd"}
	dataCompressions = []string{"bzip2", "gzip", "snappy"}
	encryptions      = []string{"AES256", "aws:kms"}
)

// defaultArchiveTimeout is how old the last commit outside the archive can get on a database that is written to.
const defaultArchiveTimeout = "5min"

func backupAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Continuous archiving of WAL and scheduled base backups, to the provider's `object_store`. " +
			"An idle database switches no WAL; a busy one does at least every `archive_timeout`. Default: none, nothing is archived. Changed in place; where that leaves a gap in what can be restored, the plan warns.",
		Attributes: map[string]schema.Attribute{
			"enabled": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Whether the database is backed up. Default `true` where the block is present. While it is `false` nothing is archived: " +
					"no moment of that time can be restored, and what comes after it goes to a new folder. Changing it stops or begins archiving.",
			},
			"schedule": schema.StringAttribute{
				Optional: true, CustomType: scheduleType,
				MarkdownDescription: "When base backups are taken, in UTC: cron with five fields, or with six, the seconds first, or a descriptor such as `@daily`. " +
					"Needed where backups are enabled, but for a database that was taken over with an archive and without a schedule of its name. Unset: nothing is scheduled. Changed in place; it takes no backup.",
				Validators:    []validator.String{isSchedule()},
				PlanModifiers: []planmodifier.String{keepSameMeaning{kindSchedule}},
			},
			"retention_days": schema.Int64Attribute{
				Optional: true, CustomType: wholeNumberType{},
				MarkdownDescription: "Days for which any moment can be restored; what is older is removed from S3, after each base backup or, with the plugin, every five minutes (unless `spec.instanceSidecarConfiguration` of its ObjectStore says otherwise). Unset: nothing is ever removed. Changing it to fewer days has more removed.",
				Validators:          []validator.Int64{int64validator.Between(1, 36500)},
			},
			"immediate": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Take the first base backup at once instead of waiting for the schedule. Default `true`. Changing it is of no effect on a schedule that has begun.",
			},
			"method": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "How CloudNativePG archives: `barmanObjectStore`, its own support for barman, which its release 1.31 is to remove, or `plugin`, the Barman Cloud plugin. " +
					"Default: what is installed when the database is made, `barmanObjectStore` where CloudNativePG has it; it stays from then on. Changing it goes on in the same folder, restarts the database's pods, and takes a base backup at once.",
				Validators: []validator.String{isMethod()},
			},
			"archive_timeout": schema.StringAttribute{
				Optional: true, Computed: true, CustomType: durationType, Default: stringdefault.StaticString(defaultArchiveTimeout),
				MarkdownDescription: "How long a commit may wait until its WAL segment is archived though it is not full: PostgreSQL's parameter of that name, such as `5min` or `30s`; " +
					"`0` waits for full segments. Every segment takes 16 MB in S3 unless it is compressed. Default `5min`. Changed in place, without a restart.",
				Validators:    []validator.String{isDuration()},
				PlanModifiers: []planmodifier.String{keepSameMeaning{kindDuration}},
			},
			"wal":                walAttribute(),
			"data":               dataAttribute(),
			"object_store":       storeOverrideAttribute(keysOfBackups),
			"credentials_secret": credentialsSecretAttribute(),
			"server_name": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Folder of the archive under `destination_path`, which must be empty before. Default: the database's name where that folder is empty, " +
					"else the name with the time appended. Changing it begins a new archive with a base backup; the one before stays in S3.",
				Validators: []validator.String{stringvalidator.LengthBetween(1, maxServerNameLength), isServerName()},
			},
		},
	}
}

func walAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "How WAL is archived. Default: uncompressed, one segment after the other. Changed in place, for what is archived from then on; what is there stays readable.",
		Attributes: map[string]schema.Attribute{
			"compression":  compressionAttribute("`bzip2`, `gzip`, `lz4`, `snappy`, `xz` or `zstd`. Unset: none.", stringvalidator.OneOf(walCompressions...)),
			"encryption":   encryptionAttribute(),
			"max_parallel": countAttribute("How many segments are archived, or fetched by a recovery, at the same time. Unset: one."),
		},
	}
}

func dataAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "How base backups are written. Default: uncompressed, two parts at a time. Changed in place, from the next base backup on.",
		Attributes: map[string]schema.Attribute{
			"compression": compressionAttribute("`bzip2`, `gzip` or `snappy`. Unset: none.", isDataCompression()),
			"encryption":  encryptionAttribute(),
			"jobs":        countAttribute("How many parts are uploaded at the same time. Unset: two."),
		},
	}
}

func compressionAttribute(description string, check validator.String) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: "Compression: " + description, Validators: []validator.String{check}}
}

func encryptionAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Encryption in S3: `AES256` or `aws:kms`. Unset: as the bucket says.",
		Validators:          []validator.String{stringvalidator.OneOf(encryptions...)},
	}
}

func countAttribute(description string) schema.Int64Attribute {
	return schema.Int64Attribute{Optional: true, CustomType: wholeNumberType{}, MarkdownDescription: description, Validators: []validator.Int64{int64validator.Between(1, math.MaxInt32)}}
}

// storeOverrideAttribute has every setting of the provider's object_store but keys: what resources are configured with
// lies in the state. keys says where keys are taken from instead.
func storeOverrideAttribute(keys string) schema.SingleNestedAttribute {
	attribute := schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Another object store than the provider's. What is not set here is the provider's, with two exceptions: an `endpoint_url` of its own stands " +
			"for another store, to which the provider's `pod_endpoint_url`, `ca_certificate` and `use_path_style` do not apply; a `profile` of its own takes the place of the provider's keys and `assume_role`. " +
			"It takes no key: the pods' are named by `credentials_secret` or by the provider. Default: the provider's. Changing where archives lie begins a new archive there, with a base backup; the one before stays in S3.",
		Attributes: map[string]schema.Attribute{
			"destination_path": schema.StringAttribute{
				Optional: true, CustomType: locationType, MarkdownDescription: "Where archives lie: `s3://bucket` or `s3://bucket/prefix`. The bucket must exist. Default: the provider's.",
				Validators: []validator.String{isDestinationPath()}, PlanModifiers: []planmodifier.String{keepSameMeaning{kindLocation}},
			},
			"endpoint_url":     schema.StringAttribute{Optional: true, MarkdownDescription: "Address of the S3 API as Terraform reaches it. Default: the provider's.", Validators: []validator.String{isURL()}},
			"pod_endpoint_url": schema.StringAttribute{Optional: true, MarkdownDescription: "Address of the S3 API as the database pods reach it. Default: `endpoint_url` where that is set here, else the provider's.", Validators: []validator.String{isURL()}},
			"region":           schema.StringAttribute{Optional: true, MarkdownDescription: "Region of the bucket. Default: the provider's.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
			"profile":          schema.StringAttribute{Optional: true, MarkdownDescription: "Profile of the shared AWS configuration files that Terraform lists the archive with. Default: the provider's identity.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
			"assume_role": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Role that Terraform assumes to list the archive. Default: the provider's; with a `profile` of its own, none.",
				Attributes: map[string]schema.Attribute{
					"role_arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role."},
					"session_name": schema.StringAttribute{Optional: true, MarkdownDescription: "Name of the session, for audit logs. Default `terraform-provider-pgplatform`."},
					"external_id":  schema.StringAttribute{Optional: true, MarkdownDescription: "External ID that the role's trust policy asks for. Default: none. It is kept in an annotation of the Cluster, as the rest of `object_store` is: who may read the Cluster may read it."},
				},
			},
			"use_path_style": schema.BoolAttribute{Optional: true, MarkdownDescription: "Address buckets as `endpoint/bucket`. Default: the provider's; with an `endpoint_url` of its own, `true`."},
			"ca_certificate": schema.StringAttribute{Optional: true, MarkdownDescription: "Certificates of the authorities that sign the S3 endpoint's, PEM, for Terraform and for the database pods. Default: the provider's; with an `endpoint_url` of its own, the system's.", Validators: []validator.String{isCertificate()}},
		},
	}
	for name := range refusedKeyTypes {
		attribute.Attributes[name] = schema.StringAttribute{Optional: true, MarkdownDescription: refusedKeyDescription, Validators: []validator.String{refusesKey{keys}}}
	}
	return attribute
}

func credentialsSecretAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "An existing Secret in the database's namespace with the S3 keys for the pods, instead of the provider's. It is never read or written here. " +
			"With the label `cnpg.io/reload` changed keys reach running pods. Default: none, the provider's keys or role. Changing it has the pods read the other Secret, without a restart.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required: true, MarkdownDescription: "Name of the Secret.",
				Validators: []validator.String{isObjectName()},
			},
			"access_key_id_key":     secretKeyAttribute(keyAccessKeyID, "access key"),
			"secret_access_key_key": secretKeyAttribute(keySecretAccessKey, "secret of the access key"),
		},
	}
}

func secretKeyAttribute(byDefault, what string) schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, Default: stringdefault.StaticString(byDefault),
		MarkdownDescription: fmt.Sprintf("Key in the Secret under which the %s stands. Default `%s`.", what, byDefault),
		Validators:          []validator.String{isSecretKey()},
	}
}

// maxServerNameLength leaves room in S3's keys, of at most 1024 bytes, for what stands around it.
const maxServerNameLength = 253

var serverName = regexp.MustCompile(`^[A-Za-z0-9][-_.A-Za-z0-9]*$`)

func isSecretKey() validator.String {
	return parses{"a key of a Secret", rule("key of a Secret", validation.IsConfigMapKey)}
}

func isServerName() validator.String {
	return parses{"the name of a folder", func(s string) error {
		if !serverName.MatchString(s) {
			return fmt.Errorf("%q cannot be the name of a folder: it takes letters, digits, and after the first of them also - . and _", s)
		}
		return nil
	}}
}

func isMethod() validator.String {
	return parses{"barmanObjectStore or plugin", func(s string) error {
		if method := cnpg.Method(s); method != cnpg.MethodInTree && method != cnpg.MethodPlugin {
			return fmt.Errorf("%q is no method of taking backups: choose one of \"barmanObjectStore\" and \"plugin\"", s)
		}
		return nil
	}}
}

// isDataCompression says of lz4 why it is refused, since CNPG's documentation offers it.
func isDataCompression() validator.String {
	return parses{"a compression for base backups", func(s string) error {
		for _, c := range dataCompressions {
			if s == c {
				return nil
			}
		}
		if s == "lz4" {
			return errors.New("barman cannot compress base backups with lz4: choose one of bzip2, gzip and snappy")
		}
		return fmt.Errorf("%q is no compression for base backups: choose one of bzip2, gzip and snappy", s)
	}}
}
