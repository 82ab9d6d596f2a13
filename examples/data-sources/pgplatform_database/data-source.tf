data "pgplatform_database" "my_db" {
  namespace = "myorg"
  name      = "my-db"
}

output "host" {
  value = data.pgplatform_database.my_db.connection_info.host
}
