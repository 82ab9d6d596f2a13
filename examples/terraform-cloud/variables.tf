variable "kube_host" {
  description = "Address of the Kubernetes API server, such as https://203.0.113.10:6443. The machine that runs Terraform must reach it."
  type        = string
}

variable "kube_ca" {
  description = "Certificate, in PEM form, of the authority that the API server is trusted by."
  type        = string
}

# Where the workspace has dynamic credentials for Kubernetes, leave this out: each run then has a token of its own in KUBE_TOKEN.
variable "kube_token" {
  description = "Token of the service account that Terraform is in Kubernetes."
  type        = string
  default     = null
  ephemeral   = true # so that it is in no plan file; needs Terraform 1.10 or OpenTofu 1.11, with older ones: sensitive = true
}

variable "namespace" {
  description = "Namespace of the databases. It must exist."
  type        = string
}

variable "destination_path" {
  description = "Where the archives lie, such as s3://bucket/prefix. The bucket must exist when the databases are made."
  type        = string
}

variable "s3_region" {
  description = "Region of the bucket."
  type        = string
}

variable "s3_endpoint_url" {
  description = "Address of the S3 API, for stores other than AWS. Terraform does not have to reach it: what it cannot see is a warning."
  type        = string
  default     = null
}

variable "backup_keys" {
  description = "Keys with which the database pods write their archives."
  type        = object({ access_key_id = string, secret_access_key = string })
  ephemeral   = true
}
