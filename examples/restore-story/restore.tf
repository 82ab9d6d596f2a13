variable "mistake" {
  description = "The instant just before the mistake, in RFC 3339, to the microsecond where that is known."
  type        = string
}

variable "orders" {
  description = "How many orders there were at that instant."
  type        = number
}

# The state just before the mistake, in a database of its own: whoever uses shop goes on meanwhile.
resource "pgplatform_restore" "shop_restored" {
  name        = "shop-restored"
  source      = { database = pgplatform_database.shop.id }
  target_time = var.mistake

  # The apply fails where the restored database has anything else.
  verify = {
    query  = "SELECT count(*) FROM orders"
    expect = var.orders
  }
  deletion_protection = true
}
