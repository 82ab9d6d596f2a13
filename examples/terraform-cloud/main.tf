terraform {
  required_version = ">= 1.10" # for the ephemeral variable kube_token, which OpenTofu has since 1.11
  required_providers {
    pgplatform = {
      source = "pgplatform/pgplatform"
    }
  }

  # With HCP Terraform, name the organization and the workspace here, or in TF_CLOUD_ORGANIZATION and TF_WORKSPACE:
  # cloud {}
}

# No kubeconfig file: a plan and the apply of it run on machines that have nothing of yours but variables.
provider "pgplatform" {
  namespace = var.namespace
  kubernetes = {
    host                   = var.kube_host
    cluster_ca_certificate = var.kube_ca
    token                  = var.kube_token
  }
  object_store = {
    destination_path = var.destination_path
    endpoint_url     = var.s3_endpoint_url
    region           = var.s3_region
    pod_credentials  = var.backup_keys # Terraform itself reads the archives with its own credentials: AWS_ACCESS_KEY_ID, or dynamic ones
  }
}

resource "pgplatform_database" "shop" {
  name          = "shop"
  tier          = "DEV"
  database_name = "shop"
  owner         = "shop"
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
}

output "shop" {
  description = "How to connect to the database. The password is in the Secret that secret_name names."
  value       = pgplatform_database.shop.connection_info
}
