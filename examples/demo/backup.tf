# A base backup on demand, as one takes it before a migration.
resource "pgplatform_backup" "before_migration" {
  database = pgplatform_database.my_db.id
  triggers = { release = "v42" }
}
