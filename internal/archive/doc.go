// Package archive reads what barman-cloud has written to S3: the base backups and the WAL of PostgreSQL servers.
//
// It only reads. Layout and file formats are barman's own (3.x, as CloudNativePG's in-tree backups and its barman
// plugin both write them):
//
//	<prefix>/<server>/base/<backup id>/backup.info
//	<prefix>/<server>/wals/<timeline><log>/<segment>[.gz|.bz2|.xz|.snappy|.zst|.lz4]
//	<prefix>/<server>/wals/<timeline>.history[…]
//
// What a server's folder amounts to is for package recovery to say.
package archive
