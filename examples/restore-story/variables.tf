variable "kube_config_path" {
  description = "Path of the kubeconfig file."
  type        = string
}

variable "kube_context" {
  description = "Context in the kubeconfig file."
  type        = string
}

variable "destination_path" {
  description = "Where the archives lie, such as s3://bucket/prefix."
  type        = string
}

variable "s3_endpoint_url" {
  description = "Address of S3 as Terraform reaches it."
  type        = string
}

variable "s3_pod_endpoint_url" {
  description = "Address of S3 as the database pods reach it."
  type        = string
}

variable "s3_region" {
  description = "Region of the bucket."
  type        = string
}

variable "s3_access_key_id" {
  description = "Access key for S3."
  type        = string
  sensitive   = true
}

variable "s3_secret_access_key" {
  description = "Secret of the access key."
  type        = string
  sensitive   = true
}

variable "namespace" {
  description = "Namespace of the databases."
  type        = string
  default     = "default"
}
