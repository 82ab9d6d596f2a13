package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// fixedParameters are those that CNPG sets itself and refuses in a Cluster
// (CNPG 1.30, pkg/postgres/configuration.go, FixedConfigurationParameters).
var fixedParameters = []string{
	"allow_system_table_mods", "archive_cleanup_command", "archive_command", "archive_mode", "bonjour", "bonjour_name",
	"cluster_name", "config_file", "data_directory", "data_sync_retry", "event_source", "external_pid_file", "hba_file",
	"hot_standby", "ident_file", "jit_provider", "listen_addresses", "log_destination", "log_directory", "log_file_mode",
	"log_filename", "log_rotation_age", "log_rotation_size", "log_truncate_on_rotation", "logging_collector",
	"pg_failover_slots.primary_dsn", "pg_failover_slots.standby_slot_names", "port", "primary_conninfo",
	"primary_slot_name", "promote_trigger_file", "recovery_end_command", "recovery_min_apply_delay", "recovery_target",
	"recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn", "recovery_target_name",
	"recovery_target_time", "recovery_target_timeline", "recovery_target_xid", "restart_after_crash", "restore_command",
	"shared_preload_libraries", "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_crl_file", "ssl_dh_params_file",
	"ssl_ecdh_curve", "ssl_key_file", "ssl_passphrase_command", "ssl_passphrase_command_supports_reload",
	"ssl_prefer_server_ciphers", "stats_temp_directory", "synchronized_standby_slots", "synchronous_standby_names",
	"syslog_facility", "syslog_ident", "syslog_sequence_numbers", "syslog_split_messages", "temp_tablespaces",
	"unix_socket_directories", "unix_socket_group", "unix_socket_permissions",
}

// parameterName is how PostgreSQL's parameters and those of its extensions are named.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$`)

// parameterArchiveTimeout is the parameter that the backup attribute sets.
const parameterArchiveTimeout = "archive_timeout"

func isParameter() validator.String {
	return parses{"a PostgreSQL parameter that CloudNativePG leaves to you", func(s string) error {
		if !parameterName.MatchString(s) {
			return fmt.Errorf("%q is no name of a PostgreSQL parameter", s)
		}
		if strings.EqualFold(s, parameterArchiveTimeout) {
			return fmt.Errorf("PostgreSQL's parameter %q is set by backup.archive_timeout", s)
		}
		if slices.Contains(fixedParameters, strings.ToLower(s)) {
			return fmt.Errorf("PostgreSQL's parameter %q is set by CloudNativePG and cannot be configured", s)
		}
		return nil
	}}
}
