package recovery

import (
	"fmt"
	"time"
)

// TargetKind tells what ends a recovery.
type TargetKind int

// The kinds of target, as PostgreSQL's recovery_target_* settings know them.
const (
	TargetLatest    TargetKind = iota // everything that was archived
	TargetTime                        // the last commit at or before an instant
	TargetLSN                         // a WAL location
	TargetXID                         // a transaction
	TargetName                        // a restore point
	TargetImmediate                   // the end of the base backup itself
)

// Target is the point at which a recovery ends. The zero value is everything that was archived.
type Target struct {
	Kind TargetKind
	Time time.Time
	LSN  LSN
	XID  string
	Name string
	// Exclusive stops right before the target rather than right behind it.
	Exclusive bool
	// Timeline is the timeline to recover on; 0 is the newest that descends from the base backup's.
	Timeline uint32
}

// Latest is everything that was archived.
func Latest() Target { return Target{Kind: TargetLatest} }

// AtTime is an instant; its zone is the one that errors print times in, besides UTC.
func AtTime(t time.Time) Target { return Target{Kind: TargetTime, Time: t} }

// AtLSN is a WAL location.
func AtLSN(l LSN) Target { return Target{Kind: TargetLSN, LSN: l} }

// AtXID is a transaction.
func AtXID(xid string) Target { return Target{Kind: TargetXID, XID: xid} }

// AtName is a restore point made by pg_create_restore_point.
func AtName(name string) Target { return Target{Kind: TargetName, Name: name} }

// Immediate is the end of the base backup.
func Immediate() Target { return Target{Kind: TargetImmediate} }

// String names the target as a reader knows it.
func (t Target) String() string {
	switch t.Kind {
	case TargetTime:
		return formatTime(t.Time, t.Time.Location())
	case TargetLSN:
		return t.LSN.String()
	case TargetXID:
		return "transaction " + t.XID
	case TargetName:
		return fmt.Sprintf("restore point %q", t.Name)
	case TargetImmediate:
		return "end of the base backup"
	case TargetLatest:
	}
	return "latest"
}

// window prints a window in the terms of the target.
func (t Target) window(w Window) string {
	switch t.Kind {
	case TargetTime:
		return w.In(t.Time.Location())
	case TargetLSN:
		return fmt.Sprintf("%s to %s (%s)", w.EarliestLSN, w.LatestLSN, w)
	default:
		return w.String()
	}
}
