terraform import pgplatform_restore.pitr myorg/my-db-pitr
