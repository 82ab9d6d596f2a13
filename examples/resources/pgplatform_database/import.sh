terraform import pgplatform_database.my_db myorg/my-db
