# The state just before a mistake, of a database that lives.
resource "pgplatform_restore" "pitr" {
  name        = "my-db-pitr"
  namespace   = "myorg"
  source      = { database = pgplatform_database.my_db.id }
  target_time = "2026-03-26T12:00:06.999999Z"

  verify = {
    query  = "SELECT count(*) > 0 FROM orders"
    expect = "t"
  }
}

# Exactly a base backup, such as the one before a migration.
resource "pgplatform_restore" "before_migration" {
  name      = "my-db-v41"
  namespace = "myorg"
  source    = { backup = pgplatform_backup.before_migration.id }
}

# The latest state of a database that is gone, with its Kubernetes cluster perhaps: S3 is all that is left.
resource "pgplatform_restore" "from_s3" {
  name      = "my-db-again"
  namespace = "myorg"
  source = {
    object_store = {
      destination_path = "s3://postgres-backups/"
      server_name      = "my-db"
    }
  }
  tier          = "STANDARD"
  database_name = "app"
  owner         = "app"
  backup        = { schedule = "0 2 * * *", retention_days = 30 }
}
