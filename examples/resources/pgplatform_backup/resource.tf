resource "pgplatform_backup" "before_migration" {
  database = pgplatform_database.my_db.id
  triggers = { release = "v42" }
}
