// Package recovery answers, from facts alone, what a PostgreSQL backup archive can be restored to.
//
// It holds the arithmetic of WAL locations, segment names and timelines, the shape of an archive as barman-cloud
// leaves it ([Catalog]), the window of instants it can restore ([Catalog.Window]) and the choice of the base backup
// for a target ([Catalog.Choose]). Everything here is a pure function: no I/O, no clock, no global state.
package recovery
