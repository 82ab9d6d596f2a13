import {
  to = pgplatform_database.my_db
  id = "myorg/my-db"
}

# With Terraform 1.12 or OpenTofu 1.12 and later also by identity:
#
# import {
#   to       = pgplatform_database.my_db
#   identity = { namespace = "myorg", name = "my-db" }
# }
