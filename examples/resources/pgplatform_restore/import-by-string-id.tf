import {
  to = pgplatform_restore.pitr
  id = "myorg/my-db-pitr"
}

# With Terraform 1.12 or OpenTofu 1.12 and later also by identity:
#
# import {
#   to       = pgplatform_restore.pitr
#   identity = { namespace = "myorg", name = "my-db-pitr" }
# }
