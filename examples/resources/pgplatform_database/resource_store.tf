# Archived in another region, by pods with keys from a Secret that something else writes
resource "pgplatform_database" "ledger" {
  name      = "ledger"
  namespace = "myorg"

  backup = {
    schedule       = "@daily"
    retention_days = 365
    wal            = { compression = "gzip", encryption = "aws:kms" }
    object_store = {
      destination_path = "s3://ledger-backups/postgres"
      region           = "eu-central-1"
      assume_role      = { role_arn = "arn:aws:iam::123456789012:role/ledger-auditor" }
    }
    credentials_secret = { name = "ledger-s3-keys" }
    server_name        = "ledger-2026"
  }
}
