terraform {
  required_providers {
    pgplatform = {
      source = "pgplatform/pgplatform"
    }
  }
}

provider "pgplatform" {
  kubernetes = {
    config_path    = "~/.kube/config"
    config_context = "kind-pgplatform"
  }
  object_store = {
    destination_path  = "s3://postgres-backups/"
    endpoint_url      = "http://localhost:4566"                               # what Terraform reaches; leave out for AWS
    pod_endpoint_url  = "http://localstack.localstack.svc.cluster.local:4566" # what the database pods reach
    region            = "us-east-1"
    access_key_id     = var.s3_access_key_id
    secret_access_key = var.s3_secret_access_key
  }
}

variable "s3_access_key_id" {
  type      = string
  sensitive = true
}

variable "s3_secret_access_key" {
  type      = string
  sensitive = true
}
