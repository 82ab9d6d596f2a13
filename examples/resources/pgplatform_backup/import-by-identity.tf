# With Terraform 1.12 or OpenTofu 1.12 and later:
import {
  to       = pgplatform_backup.before_migration
  identity = { namespace = "myorg", name = "my-db-backup-20260326-142040" }
}
