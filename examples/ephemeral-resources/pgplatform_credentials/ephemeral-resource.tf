terraform {
  required_providers {
    pgplatform = {
      source = "pgplatform/pgplatform"
    }
    postgresql = {
      source = "cyrilgdn/postgresql"
    }
  }
}

resource "pgplatform_database" "my_db" {
  namespace = "myorg"
  name      = "my-db"
  backup    = { schedule = "0 2 * * *" }
}

# Read anew in each plan and each apply that needs it, and kept nowhere. It needs Terraform 1.10 or OpenTofu 1.11.
ephemeral "pgplatform_credentials" "my_db" {
  database = pgplatform_database.my_db.id
}

# Terraform must reach the database: from inside of the Kubernetes cluster by this host, from elsewhere by a load balancer's
# address, or by localhost, beside `kubectl port-forward -n myorg service/my-db-rw 5432`.
provider "postgresql" {
  host      = ephemeral.pgplatform_credentials.my_db.host
  port      = ephemeral.pgplatform_credentials.my_db.port
  database  = ephemeral.pgplatform_credentials.my_db.database_name
  username  = ephemeral.pgplatform_credentials.my_db.username
  password  = ephemeral.pgplatform_credentials.my_db.password
  sslmode   = "require"
  superuser = false # the owner of the application database is none
}

resource "postgresql_schema" "reporting" {
  name = "reporting"
}
