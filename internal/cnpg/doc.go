// Package cnpg speaks to Kubernetes about what CloudNativePG (CNPG) runs: Clusters, Backups, ScheduledBackups,
// and the Secrets, Jobs and Pods around them.
//
// It needs no discovery and no OpenAPI: the few resources are known by name. Everything that the provider owns is
// written by server-side apply under [FieldManager]; what only matters while a cluster is bootstrapped is also owned by
// [BootstrapManager], which applies once, so that later applies leave it in place. Waiting is done with watches.
package cnpg
