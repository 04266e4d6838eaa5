-- Statements for the server that is backed up. Nothing of Holdfast is installed there, so no schema is named.

-- name: place
select pg_backend_pid() as pid, datname as database, datistemplate as "isTemplate"
from pg_database
where datname = current_database()

-- name: identify
select a.pid, d.oid::bigint as database, a.usesysid::bigint as login, pg_try_advisory_lock(:key::bigint) as locked,
  to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "backendStart"
from pg_stat_activity a join pg_database d on d.datname = current_database()
where a.pid = pg_backend_pid()

-- name: session_is_there
select exists (
  select from pg_locks join pg_stat_activity a using (pid)
  where locktype = 'advisory' and granted and objsubid = 1
    and classid = ((:key::bigint >> 32) & 4294967295)::oid
    and objid = (:key::bigint & 4294967295)::oid
    and pid = :pid
    and a.usesysid = coalesce(:login::oid, a.usesysid)
) as there

-- name: terminate
select pg_terminate_backend(pid) as terminated
from pg_locks
where locktype = 'advisory' and granted and objsubid = 1
  and classid = ((:key::bigint >> 32) & 4294967295)::oid
  and objid = (:key::bigint & 4294967295)::oid
  and pid = :pid

-- name: preflight
select current_setting('server_version_num')::integer as version,
  current_user as "user",
  current_database() as database,
  pg_is_in_recovery() as "inRecovery",
  current_setting('wal_level') as "walLevel",
  current_setting('archive_mode') as "archiveMode",
  current_setting('archive_command', true) as "archiveCommand",
  coalesce(current_setting('archive_library', true), '') as "archiveLibrary",
  octet_length(:label::text) as "labelBytes",
  -- Compared by whoever asks: the planner would evaluate a condition with these settings, for which he may lack the right.
  case when pg_has_role('pg_read_all_settings', 'usage') then array[
    current_setting('data_directory'), current_setting('config_file'), current_setting('hba_file'),
    current_setting('ident_file')] end as "configuration",
  has_function_privilege(to_regprocedure(:start_function), 'execute') as "mayStart",
  has_function_privilege(to_regprocedure(:stop_function), 'execute') as "mayStop",
  has_function_privilege(to_regprocedure('pg_ls_archive_statusdir()'), 'execute')
    and has_function_privilege(to_regprocedure('pg_ls_waldir()'), 'execute') as "mayWatchArchive"

-- name: archiver
-- What waits is counted where it is the server's to archive. Its age is by the server's own clock.
with status as materialized (
  select name, modification from pg_ls_archive_statusdir() where name like '%.ready'
)
select current_setting('server_version') as "serverVersion",
  current_setting('archive_mode') as "archiveMode",
  last_archived_wal as "lastArchivedWal",
  last_archived_time as "lastArchivedAt",
  last_failed_wal as "lastFailedWal",
  last_failed_time as "lastFailedAt",
  coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)
    and last_failed_wal || '.ready' in (select name from status) as "archiverFailing",
  waiting.files as "walWaiting",
  waiting.seconds as "walWaitingFor",
  -- Of a recovery that is over, and still there after a restart. Without pg_read_all_settings sourcefile is null.
  array(
    select name from pg_settings
    where not pg_is_in_recovery() and not pending_restart
      and (name in ('recovery_target', 'recovery_target_name', 'recovery_target_time', 'recovery_target_xid',
          'recovery_target_lsn') and setting <> ''
        or name = 'hot_standby' and setting = 'off' and sourcefile like '%/postgresql.auto.conf')
    order by name) as "recoverySettings"
from pg_stat_archiver
left join (
  select count(*)::integer as files,
    greatest(0, extract(epoch from clock_timestamp() - min(modification)))::float8 as seconds
  from status) waiting
  on current_setting('archive_mode') = 'always'
    or current_setting('archive_mode') = 'on' and not pg_is_in_recovery()

-- name: archive_settings
-- Archive_library came with 15, and then archive_command does not count.
select current_setting('archive_command') as command,
  coalesce(current_setting('archive_library', true), '') as library

-- name: wal_segment_size
select pg_size_bytes(current_setting('wal_segment_size'))::integer as size

-- name: archive_status
-- Of each file, and of the server whose archive status this is.
with status as materialized (
  select name from pg_ls_archive_statusdir()
), wal as materialized (
  select name from pg_ls_waldir()
), server as (
  select (select system_identifier::text from pg_control_system()) as "systemIdentifier",
    current_setting('archive_mode') as "archiveMode",
    case when not pg_is_in_recovery() then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline
)
select server.*,
  needed.name,
  needed.name || '.done' in (select name from status) as done,
  needed.name || '.ready' in (select name from status) as ready,
  needed.name in (select name from wal) as present
from server, unnest(:names::text[]) needed (name)

-- name: start
-- From 15 on. The name of the segment is computed here, on the timeline the server is on. A start is never at a
-- segment's first byte: the segment's header is there.
select lsn::text as "startLsn", pg_walfile_name(lsn) as "startWal",
  (select system_identifier::text from pg_control_system()) as "systemIdentifier",
  current_setting('server_version') as "serverVersion"
from pg_backup_start(:label::text, :fast::boolean) begun (lsn)

-- name: start_before_15
select lsn::text as "startLsn", pg_walfile_name(lsn) as "startWal",
  (select system_identifier::text from pg_control_system()) as "systemIdentifier",
  current_setting('server_version') as "serverVersion"
from pg_start_backup(:label::text, :fast::boolean, false) begun (lsn)

-- name: stop
-- The files as bytes: no conversion to the client's encoding can fail, and lose the label for good. Of the segment's
-- name only the timeline: where the LSN is a segment's first byte, 17 and newer name that segment, older ones the one
-- before it.
select lsn::text as "stopLsn", substr(pg_walfile_name(lsn), 1, 8) as timeline,
  pg_size_bytes(current_setting('wal_segment_size'))::integer as "segmentSize",
  convert_to(labelfile, getdatabaseencoding()) as label,
  convert_to(spcmapfile, getdatabaseencoding()) as "tablespaceMap"
from pg_backup_stop(false)

-- name: stop_before_15
select lsn::text as "stopLsn", substr(pg_walfile_name(lsn), 1, 8) as timeline,
  pg_size_bytes(current_setting('wal_segment_size'))::integer as "segmentSize",
  convert_to(labelfile, getdatabaseencoding()) as label,
  convert_to(spcmapfile, getdatabaseencoding()) as "tablespaceMap"
from pg_stop_backup(false, false)

-- name: tablespaces
-- As tablespace_map has them: in-place ones are left out, a line's end is escaped and, from 14 on, a backslash.
select convert_to(string_agg(oid || ' ' || regexp_replace(path, case
      when current_setting('server_version_num')::integer >= 140000 then '([\\\n\r])'
      else '([\n\r])' end, E'\\\\\\1', 'g') || E'\n', '' order by oid),
  getdatabaseencoding()) as map
from (select oid, pg_tablespace_location(oid) as path from pg_tablespace) t
where path like '/%'

-- name: history_file
select pg_read_binary_file('pg_wal/' || :name::text, 0, 1048576, true) as content
where has_function_privilege('pg_read_binary_file(text, bigint, bigint, boolean)', 'execute')

-- name: keep_wal
-- From the last checkpoint on, until the session ends; null where the role may not.
select case when rolreplication or rolsuper
  then (select slot_name from pg_create_physical_replication_slot(:name, true, true)) end as slot
from pg_roles
where rolname = current_user

-- name: source
select system_identifier::text as "systemIdentifier", current_setting('data_directory') as "dataDirectory",
  extract(epoch from pg_control_last_modified)::float8 as "modifiedAt"
from pg_control_system()
