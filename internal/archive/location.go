package archive

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Location is a place for archives: a folder in a bucket, with one folder per server in it.
type Location struct {
	Bucket string
	Prefix string // "" or a path without a slash at its ends, as a rule
}

// bucketName is looser than what AWS gives out today: other stores and old buckets know capitals and underscores.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)

// ParseDestinationPath reads s3://bucket[/prefix[/]] as barman does.
func ParseDestinationPath(path string) (Location, error) {
	rest, ok := strings.CutPrefix(path, "s3://")
	if !ok {
		return Location{}, fmt.Errorf("%q is no destination path: it must begin with s3://, such as s3://my-bucket/backups/", path)
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	switch {
	case bucket == "":
		return Location{}, fmt.Errorf("%q is no destination path: it names no bucket, such as s3://my-bucket/backups/", path)
	case !bucketName.MatchString(bucket):
		return Location{}, fmt.Errorf("%q is no destination path: %q cannot be the name of a bucket", path, bucket)
	case strings.ContainsAny(prefix, "?#"):
		return Location{}, fmt.Errorf("%q is no destination path: barman cuts paths at ? and #", path)
	case strings.ContainsFunc(prefix, unicode.IsControl):
		return Location{}, fmt.Errorf("%q is no destination path: it holds a control character", path)
	}
	// Slashes at the beginning vanish and one at the end adds nothing; barman does the same.
	prefix = strings.TrimLeft(prefix, "/")
	return Location{Bucket: bucket, Prefix: strings.TrimSuffix(prefix, "/")}, nil
}

// String is the destination path.
func (l Location) String() string { return "s3://" + l.Bucket + "/" + l.Prefix }

// folder is the key of the location itself, with a slash behind it unless it is the whole bucket.
func (l Location) folder() string {
	if l.Prefix == "" {
		return ""
	}
	return l.Prefix + "/"
}

// server is the key under which everything of a server lies, with a slash behind it.
func (l Location) server(name string) string { return l.folder() + name + "/" }

func (l Location) base(server string) string { return l.server(server) + "base/" }

func (l Location) wals(server string) string { return l.server(server) + "wals/" }

func (l Location) backupInfo(server, id string) string { return l.base(server) + id + "/backup.info" }

// walFolder is the key of the folder that holds a segment.
func (l Location) walFolder(server string, s recovery.Segment, size recovery.SegmentSize) string {
	return l.wals(server) + s.Folder(size) + "/"
}
