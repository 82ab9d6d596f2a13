data "pgplatform_backups" "my_db" {
  database = pgplatform_database.my_db.id
}

output "recovery_window" {
  value = data.pgplatform_backups.my_db.recovery_window
}
