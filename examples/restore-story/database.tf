# The database, until the day of the mistake.
resource "pgplatform_database" "shop" {
  name = "shop"
  tier = "DEV"
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
  deletion_protection = true
}
