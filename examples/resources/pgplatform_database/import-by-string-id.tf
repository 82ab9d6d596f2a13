import {
  to = pgplatform_database.my_db
  id = "myorg/my-db"
}
