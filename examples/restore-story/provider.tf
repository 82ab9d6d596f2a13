terraform {
  required_version = ">= 1.8" # OpenTofu: 1.10, for the block moved
  required_providers {
    pgplatform = {
      source = "pgplatform/pgplatform"
    }
  }
}

provider "pgplatform" {
  namespace = var.namespace
  kubernetes = {
    config_path    = var.kube_config_path
    config_context = var.kube_context
  }
  object_store = {
    destination_path  = var.destination_path
    endpoint_url      = var.s3_endpoint_url
    pod_endpoint_url  = var.s3_pod_endpoint_url
    region            = var.s3_region
    access_key_id     = var.s3_access_key_id
    secret_access_key = var.s3_secret_access_key
  }
}
