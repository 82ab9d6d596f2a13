resource "pgplatform_restore" "pitr" {
  name        = "my-db-pitr"
  namespace   = "myorg"
  source      = { database = pgplatform_database.my_db.id }
  target_time = "2026-03-26T12:00:00Z"
}
