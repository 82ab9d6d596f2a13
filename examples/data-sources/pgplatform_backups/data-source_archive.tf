# Of a database that is gone, with its Kubernetes cluster: only S3 is asked.
data "pgplatform_backups" "lost" {
  object_store = {
    destination_path = "s3://postgres-backups/"
    server_name      = "my-db"
  }
  status = "COMPLETED"
  limit  = 10
}
