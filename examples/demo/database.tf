terraform {
  required_version = ">= 1.8"
  required_providers {
    pgplatform = {
      source = "pgplatform/pgplatform"
    }
  }
}

provider "pgplatform" {
  kubernetes = {
    config_path    = var.kube_config_path
    config_context = var.kube_context
  }
  object_store = {
    destination_path  = "s3://${var.s3_bucket}/"
    endpoint_url      = var.s3_endpoint_url
    pod_endpoint_url  = var.s3_pod_endpoint_url
    region            = var.s3_region
    access_key_id     = var.s3_access_key_id
    secret_access_key = var.s3_secret_access_key
  }
}

# The database: a base backup every night at two, and every change of data archived as it happens.
resource "pgplatform_database" "my_db" {
  name      = "my-db"
  namespace = var.namespace
  tier      = "DEV"
  parameters = {
    track_commit_timestamp = "on" # so that the demo can show when each row was committed
  }
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
  deletion_protection = var.deletion_protection
}
