// Package bench measures the provider as people run it: the built program under the Terraform CLI, against a real API
// server. `make bench` runs it; the table that it ends with compares what was measured with the goals. Speed is reported,
// never asserted.
package bench
