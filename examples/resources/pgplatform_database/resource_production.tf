resource "pgplatform_database" "orders" {
  name      = "orders"
  namespace = "myorg"
  org_id    = "acme"
  tier      = "HA"

  postgres_version = "17.5"
  database_name    = "orders"
  owner            = "orders_app"

  storage = {
    size          = "100Gi"
    storage_class = "fast"
  }
  wal_storage = {
    size          = "20Gi"
    storage_class = "fast"
  }
  resources = {
    cpu    = "4"
    memory = "16Gi"
  }
  parameters = {
    shared_buffers                      = "4GB"
    max_connections                     = "200"
    "pg_stat_statements.max"            = "10000"
    idle_in_transaction_session_timeout = "10min"
  }
  pg_hba = ["hostssl orders orders_app 10.20.0.0/16 scram-sha-256"]

  labels = { team = "orders" }
  scheduling = {
    node_selector = { "node.example.com/pool" = "databases" }
    tolerations   = [{ key = "dedicated", value = "databases", effect = "NoSchedule" }]
    topology_key  = "topology.kubernetes.io/zone"
  }

  backup = {
    schedule        = "0 2 * * *"
    retention_days  = 30
    archive_timeout = "1min"
    wal             = { compression = "zstd", max_parallel = 4 }
    data            = { compression = "gzip", jobs = 4 }
  }
  final_backup = true
}
