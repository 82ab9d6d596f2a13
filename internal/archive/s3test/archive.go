package s3test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Archive writes one server's archive as barman-cloud does.
type Archive struct {
	Server *Server
	Bucket string
	Folder string // key of the server's folder, without a slash at its end
}

// Archive is the archive of a server in a bucket, under a prefix that may be "".
func (s *Server) Archive(bucket, prefix, server string) Archive {
	s.CreateBucket(bucket)
	folder := server
	if prefix != "" {
		folder = strings.TrimSuffix(prefix, "/") + "/" + server
	}
	return Archive{Server: s, Bucket: bucket, Folder: folder}
}

// Backup writes the backup.info of a backup that is done, begins and ends in the given segments of 16 MiB and took a
// minute up to end. overrides replace or (with "None") empty single fields.
func (a Archive) Backup(id string, end time.Time, beginWAL, endWAL string, overrides map[string]string) {
	const layout = "2006-01-02 15:04:05.000000-07:00"
	fields := map[string]string{
		"status": "DONE", "version": "170005", "systemid": "7388012345678901234", "xlog_segment_size": "16777216",
		"begin_time": end.Add(-time.Minute).Format(layout), "end_time": end.Format(layout),
		"begin_wal": beginWAL, "end_wal": endWAL, "begin_xlog": location(beginWAL, 0x28), "end_xlog": location(endWAL, 0x120),
		"begin_offset": "40", "end_offset": "288", "cluster_size": "23453191", "mode": "concurrent",
		"server_name": "cloud", "compression": "None", "tablespaces": "None", "error": "None",
	}
	if len(beginWAL) == 24 {
		fields["timeline"] = fmt.Sprint(hex(beginWAL[:8]))
	}
	maps.Copy(fields, overrides)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&text, "%s=%s\n", key, fields[key])
	}
	a.Put("base/"+id+"/backup.info", text.String(), end)
	a.Server.PutSized(a.Bucket, a.Folder+"/base/"+id+"/data.tar", 1<<20, end)
}

// WAL writes a file of 16 MiB into wals, as its name wants it.
func (a Archive) WAL(name string, modified time.Time) {
	a.Server.PutSized(a.Bucket, a.Folder+"/wals/"+name[:16]+"/"+name, 16<<20, modified)
}

// Segments writes n segments of 16 MiB from a segment's number on, each a while after the one before, and returns
// the name of the last.
func (a Archive) Segments(timeline uint32, first, n uint64, start time.Time, every time.Duration) string {
	name := ""
	for i := range n {
		name = Segment(timeline, first+i)
		a.WAL(name, start.Add(time.Duration(i)*every))
	}
	return name
}

// History writes a timeline's history.
func (a Archive) History(timeline uint32, text string, modified time.Time) {
	a.Put(fmt.Sprintf("wals/%08X.history", timeline), text, modified)
}

// Put writes any file into the archive.
func (a Archive) Put(path, text string, modified time.Time) {
	a.Server.Put(a.Bucket, a.Folder+"/"+path, []byte(text), modified)
}

// Segment is the name of a segment of 16 MiB.
func Segment(timeline uint32, number uint64) string {
	return fmt.Sprintf("%08X%08X%08X", timeline, number/256, number%256)
}

// location is a WAL location at an offset in a segment of 16 MiB.
func location(segment string, offset uint64) string {
	if len(segment) != 24 {
		return "None"
	}
	return fmt.Sprintf("%X/%X", hex(segment[8:16]), hex(segment[16:])<<24|offset)
}

func hex(s string) uint64 {
	var n uint64
	_, _ = fmt.Sscanf(s, "%X", &n) // names in tests are right
	return n
}
