package provider

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// targetKnown tells whether everything that decides where the recovery ends is known.
func (m *restoreModel) targetKnown() bool {
	return known(m.TargetTime, m.TargetLSN, m.TargetXID, m.TargetName, m.TargetInclusive, m.TargetTimeline, m.BackupID)
}

// target is where the recovery ends; backupID is the base backup that was asked for, "" where none was. The values were
// validated, so one that cannot be read is not there.
func (m *restoreModel) target(backupID string) recovery.Target {
	target := recovery.Latest()
	switch {
	case m.TargetTime.ValueString() != "":
		if at, err := parseInstant(m.TargetTime.ValueString()); err == nil {
			target = recovery.AtTime(at)
		}
	case m.TargetLSN.ValueString() != "":
		if lsn, err := recovery.ParseLSN(m.TargetLSN.ValueString()); err == nil {
			target = recovery.AtLSN(lsn)
		}
	case m.TargetXID.ValueString() != "":
		target = recovery.AtXID(m.TargetXID.ValueString())
	case m.TargetName.ValueString() != "":
		target = recovery.AtName(m.TargetName.ValueString())
	case backupID != "":
		target = recovery.Immediate()
	}
	target.Exclusive = m.TargetInclusive.Equal(types.BoolValue(false))
	target.Timeline = uint32(m.TargetTimeline.ValueInt64()) //nolint:gosec // bounded by the schema
	return target
}

// targetPath is the attribute that says where the recovery ends; the source's where none does.
func (m *restoreModel) targetPath() path.Path {
	for _, a := range []struct {
		name  string
		value types.String
	}{
		{"target_time", m.TargetTime.StringValue}, {"target_lsn", m.TargetLSN.StringValue}, {"target_xid", m.TargetXID}, {"target_name", m.TargetName}, {"backup_id", m.BackupID},
	} {
		if a.value.ValueString() != "" {
			return path.Root(a.name)
		}
	}
	return m.sourcePath()
}

// postgresTime is how every version of CNPG takes a recovery target: PostgreSQL's own form, in UTC.
const postgresTime = "2006-01-02 15:04:05.000000+00:00"

// toRecoveryTarget is how CNPG is told of it. backupID is the base backup to begin from; with "" CNPG picks one by itself.
func toRecoveryTarget(target recovery.Target, backupID string) *cnpgv1.RecoveryTarget {
	to := &cnpgv1.RecoveryTarget{BackupID: backupID}
	switch target.Kind {
	case recovery.TargetTime:
		to.TargetTime = target.Time.UTC().Format(postgresTime)
	case recovery.TargetLSN:
		to.TargetLSN = target.LSN.String()
	case recovery.TargetXID:
		to.TargetXID = target.XID
	case recovery.TargetName:
		to.TargetName = target.Name
	case recovery.TargetImmediate:
		to.TargetImmediate = ptr.To(true)
	case recovery.TargetLatest:
	}
	if target.Exclusive {
		to.Exclusive = ptr.To(true)
	}
	if target.Timeline != 0 {
		to.TargetTLI = strconv.FormatUint(uint64(target.Timeline), 10)
	}
	if *to == (cnpgv1.RecoveryTarget{}) {
		return nil
	}
	return to
}

func isLSN() validator.String {
	return parses{"a WAL location", func(s string) error {
		lsn, err := recovery.ParseLSN(s)
		if err == nil && lsn == 0 {
			err = fmt.Errorf("%q is no place in any WAL", s)
		}
		return err
	}}
}

func isXID() validator.String {
	return parses{"the ID of a transaction", func(s string) error {
		// PostgreSQL's are of 32 bits; those below 3 are its own.
		if id, err := strconv.ParseUint(s, 10, 32); err != nil || id < 3 || strconv.FormatUint(id, 10) != s {
			return fmt.Errorf("%q is no ID of a transaction: write a number such as 1234, without the epoch that pg_current_xact_id puts in front after four thousand million transactions", s)
		}
		return nil
	}}
}

// maxRestorePoint is PostgreSQL's limit for the name of a restore point, in bytes.
const maxRestorePoint = 63

func isRestorePoint() validator.String {
	return parses{"the name of a restore point", func(s string) error {
		switch {
		case s == "":
			return errors.New("a restore point has a name")
		case len(s) > maxRestorePoint:
			return fmt.Errorf("%q is longer than the %d bytes that the name of a restore point may have", s, maxRestorePoint)
		case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\u007f' }):
			return fmt.Errorf("%q has a control character", s)
		}
		return nil
	}}
}
