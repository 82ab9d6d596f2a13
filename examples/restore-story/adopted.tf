# From now on the restored database is the database. Nothing in it changes with this. It needs Terraform 1.8 or OpenTofu 1.10.
moved {
  from = pgplatform_restore.shop_restored
  to   = pgplatform_database.shop_restored
}

resource "pgplatform_database" "shop_restored" {
  name = "shop-restored"
  tier = "DEV"
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
  deletion_protection = true
}
