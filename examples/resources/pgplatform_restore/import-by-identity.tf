# With Terraform 1.12 or OpenTofu 1.12 and later:
import {
  to       = pgplatform_restore.pitr
  identity = { namespace = "myorg", name = "my-db-pitr" }
}
