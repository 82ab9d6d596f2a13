import {
  to = pgplatform_backup.before_migration
  id = "myorg/my-db-backup-20260326-142040"
}
