variable "target_time" {
  description = "The instant before the mistake, in RFC 3339."
  type        = string
}

# The state at the instant before the mistake.
resource "pgplatform_restore" "pitr" {
  name                = "my-db-pitr"
  namespace           = var.namespace
  source              = { database = pgplatform_database.my_db.id }
  target_time         = var.target_time
  deletion_protection = var.deletion_protection
}

# The latest state.
resource "pgplatform_restore" "latest" {
  name                = "my-db-restored"
  namespace           = var.namespace
  source              = { database = pgplatform_database.my_db.id }
  deletion_protection = var.deletion_protection
}
