resource "pgplatform_database" "my_db" {
  name      = "my-db"
  namespace = "myorg"
  tier      = "STANDARD"
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
}
