import {
  to = pgplatform_restore.pitr
  id = "myorg/my-db-pitr"
}
