# What S3 holds, and the span of time that can be restored.
data "pgplatform_backups" "my_db" {
  database   = pgplatform_database.my_db.id
  depends_on = [pgplatform_backup.before_migration]
}
