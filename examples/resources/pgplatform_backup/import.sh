terraform import pgplatform_backup.before_migration myorg/my-db-backup-20260326-142040
