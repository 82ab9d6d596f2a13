package cnpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// NotRestoredError is an application database, or a role that is to own it, that is none of those that were restored:
// CloudNativePG makes both, empty and without rights, where a restored database does not have them.
type NotRestoredError struct {
	Cluster  Key
	Database string // the one that is not restored, or, where the role is not, the one that is
	Role     string // the one that is not restored; "" where the database is not
	Restored []string
}

func (e *NotRestoredError) Error() string {
	restored := "no database but PostgreSQL's own"
	if len(e.Restored) > 0 {
		restored = strings.Join(e.Restored, ", ")
	}
	if e.Role != "" {
		return fmt.Sprintf("nothing that was restored in Cluster %s belongs to a role %q, which CloudNativePG has made or left without any right. What was restored: %s", e.Cluster, e.Role, restored)
	}
	return fmt.Sprintf("no database %q was restored in Cluster %s: CloudNativePG has made an empty one. What was restored: %s", e.Database, e.Cluster, restored)
}

// namesSQL tells of the databases of a restored Cluster, but for templates, whether each was made after the recovery had ended, and
// whether a role is anybody in what was restored: owns something, may do something, or belongs to a group.
//
// A database's file PG_VERSION is as old as the database, also in a base backup, or, where the recovery has made the database
// anew, as that. The history of the timeline is written when the recovery ends. Both times are in whole seconds; where they are the
// same, a database without any table counts as made since, which can only be seen in the database that is asked.
const namesSQL = `WITH ended AS (
  SELECT (pg_stat_file('pg_wal/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '.history', true)).modification AS at
), found AS (
  SELECT oid, datname, pg_get_userbyid(datdba) AS owner,
    coalesce(made > at OR made = at AND datname = current_database() AND NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384), false) AS anew
  FROM (SELECT *, (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification AS made FROM pg_database WHERE NOT datistemplate) AS d, ended
)
SELECT json_build_object(
  'databases', (SELECT json_agg(json_build_object('name', datname, 'owner', owner, 'anew', anew) ORDER BY datname) FROM found),
  'stranger', NOT EXISTS (SELECT FROM pg_roles AS r WHERE rolname = %s AND (rolsuper
    OR EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid
      AND NOT (classid = 'pg_database'::regclass AND objid IN (SELECT oid FROM found WHERE anew)))
    OR EXISTS (SELECT FROM pg_auth_members WHERE r.oid IN (member, roleid))
    OR EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = r.oid))))`

// restoredNames is what namesSQL answers.
type restoredNames struct {
	Databases []struct {
		Name  string `json:"name"`
		Owner string `json:"owner"`
		Anew  bool   `json:"anew"`
	} `json:"databases"`
	Stranger bool `json:"stranger"`
}

// ConfirmRestored asks a restored Cluster whether its application database and the role that is to own it are among what was
// restored. It is a [NotRestoredError] where they are not. It needs the right to create pods/exec.
func (c *Client) ConfirmRestored(ctx context.Context, cluster Key, database, owner string) error {
	query := fmt.Sprintf(namesSQL, literal(owner))
	answer, err := c.QueryPatiently(ctx, cluster, database, query)
	var refused *QueryError
	if errors.As(err, &refused) { // a database that is not there, or lets nobody in
		answer, err = c.QueryPatiently(ctx, cluster, "postgres", query)
	}
	if err != nil {
		return err
	}
	var names restoredNames
	if err := json.Unmarshal([]byte(answer), &names); err != nil {
		return fmt.Errorf("ask Cluster %s for its databases: unexpected answer %q", cluster, answer)
	}
	wrong := &NotRestoredError{Cluster: cluster, Database: database}
	there := false
	for _, found := range names.Databases {
		if found.Anew {
			continue
		}
		there = there || found.Name == database
		if found.Name != "postgres" {
			wrong.Restored = append(wrong.Restored, fmt.Sprintf("%s (of %s)", found.Name, found.Owner))
		}
	}
	if !there {
		return wrong
	}
	if names.Stranger {
		wrong.Role = owner
		return wrong
	}
	return nil
}

// literal is a text in SQL, whatever standard_conforming_strings is.
func literal(text string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}
