package archive

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// ParseBackupInfo reads the text of a backup.info, which does not hold the backup's own ID. It never fails: what
// barman could not load either, and so could not restore, comes back as recovery.StatusUnreadable with the reason as
// its message. Keys that are unknown or missing do no harm, since barman has added some over time.
func ParseBackupInfo(id string, text []byte) recovery.Backup {
	b := recovery.Backup{ID: id, Status: recovery.StatusEmpty, SegmentSize: recovery.DefaultSegmentSize}
	if err := parseBackupInfo(&b, text); err != nil {
		b.Status, b.Message = recovery.StatusUnreadable, "backup.info cannot be read: "+err.Error()
	}
	return b
}

func parseBackupInfo(b *recovery.Backup, text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		b.Message = "backup.info is empty" // which barman loads
		return nil
	}
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8 text")
	}
	// All lines are read even behind a broken one, so that the entry tells as much as it can.
	var problems []error
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			problems = append(problems, fmt.Errorf("%q is no line of the form key=value", shorten(line)))
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if value == "None" {
			continue
		}
		if err := setField(b, key, value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	if len(problems) > 0 {
		return problems[0]
	}
	return nil
}

// setField takes over one value. Those that no one asks for are read all the same where barman reads them, since it gives the whole
// file up where it cannot.
func setField(b *recovery.Backup, key, value string) (err error) {
	switch key {
	case "backup_name":
		b.Name = value
	case "status":
		b.Status = recovery.Status(value)
	case "begin_time":
		b.BeginTime, err = parseTime(value)
	case "end_time":
		b.EndTime, err = parseTime(value)
	case "begin_wal":
		b.BeginWAL = value
	case "end_wal":
		b.EndWAL = value
	case "begin_xlog":
		b.BeginLSN, err = recovery.ParseLSN(value)
	case "end_xlog":
		b.EndLSN, err = recovery.ParseLSN(value)
	case "timeline":
		var n int64
		n, err = parseInt(value, 0, math.MaxUint32)
		b.Timeline = uint32(n) //nolint:gosec // bounded above
	case "xlog_segment_size":
		var n int64
		n, err = parseInt(value, 1, math.MaxUint32)
		b.SegmentSize = recovery.SegmentSize(n) //nolint:gosec // bounded above
	case "systemid":
		b.SystemID = value
	case "version":
		var n int64
		n, err = parseInt(value, 0, math.MaxInt32)
		b.ServerVersion = int(n)
	case "cluster_size":
		var n int64
		n, err = parseInt(value, 0, math.MaxInt64)
		b.ClusterSize = &n
	case "compression":
		b.Compression = value
	case "encryption":
		b.Encryption = value
	case "tablespaces":
		b.Tablespaces, err = parseTablespaces(value)
	case "error":
		b.Error = value
	case "begin_offset", "end_offset", "size", "deduplicated_size":
		_, err = parseInt(value, math.MinInt64, math.MaxInt64)
	case "backup_label", "copy_stats", "included_files", "snapshots_info":
		_, err = parseLiteral(value)
	}
	return err
}

// parseInt reads what Python's int() reads, within bounds.
func parseInt(s string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") || err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is no whole number from %d to %d", shorten(s), low, high)
	}
	return n, nil
}

// timeLayouts are the forms in which barman has written times: str() of a Python datetime, which leaves out a
// fraction of zero, and older ones. Go accepts a fraction of any length behind the seconds by itself.
var timeLayouts = []string{
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05-0700",
	"2006-01-02 15:04:05-07",
	"2006-01-02 15:04:05-07:00:00",
	"2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 MST",
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	time.ANSIC,
	"Mon Jan _2 15:04:05 2006 MST",
	time.RFC1123Z,
	time.RFC1123,
}

// parseTime reads a time. One without a zone is in the zone of the instance that wrote it: UTC, as in all images that
// CloudNativePG runs. So is one with a zone's abbreviation, which could mean several zones.
func parseTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", shorten(s))
}

// parseTablespaces reads [('name', 16387, '/path'), …].
func parseTablespaces(s string) ([]recovery.Tablespace, error) {
	value, err := parseLiteral(s)
	if err != nil {
		return nil, err
	}
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("it is no list")
	}
	var tablespaces []recovery.Tablespace
	for _, item := range items {
		fields, ok := item.([]any)
		if !ok || len(fields) != 3 {
			return nil, errors.New("an item is no triple of name, OID and location")
		}
		name, okName := fields[0].(string)
		oid, okOID := fields[1].(int64)
		location, okLocation := fields[2].(string)
		if !okName || !okOID || !okLocation || oid < 0 || oid > math.MaxUint32 {
			return nil, errors.New("an item is no triple of name, OID and location")
		}
		tablespaces = append(tablespaces, recovery.Tablespace{Name: name, OID: uint32(oid), Location: location})
	}
	return tablespaces, nil
}

// shorten keeps quotations of broken files within a line.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
