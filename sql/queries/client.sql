-- name: start
call :"schema".start_backup(
  label => :label::text,
  cluster => :cluster::text,
  method => :method::text,
  fast => :fast::boolean,
  wait_for_archive => :wait_for_archive::boolean,
  hold_timeout => :hold_timeout::interval,
  keep => :keep::boolean,
  annotations => :annotations::jsonb,
  timeout => :timeout::interval,
  rate_limit => :rate_limit::bigint,
  compress_level => :compress_level::integer,
  incremental => :incremental::boolean)

-- name: wait
call :"schema".wait_for_backup(:id::bigint, 'complete', timeout => :timeout::interval)

-- name: stop
call :"schema".stop_backup(
  id => :id::bigint,
  label => :label::text,
  cluster => :cluster::text,
  timeout => :timeout::interval)

-- name: cancel
call :"schema".cancel_backup(
  id => :id::bigint,
  label => :label::text,
  cluster => :cluster::text,
  timeout => :timeout::interval)

-- name: backend
select pg_backend_pid() as pid

-- name: clock
select clock_timestamp()::text as now

-- name: requested_since
select id
from :"schema".backup_request
where cluster = :cluster and label = :label and requested_at >= :since::timestamptz
  and requested_by = current_user and requested_login = session_user and caller_key is not null
  and state in ('requested', 'starting', 'running')

-- name: interrupt
select pg_cancel_backend(:pid) as interrupted

-- name: holder_of_label
select id, state
from :"schema".backup_request
where cluster = :cluster
  and label = :label
  and state in ('requested', 'starting', 'running', 'done')

-- name: active_state
select id, state
from :"schema".backup_request
where id = :"schema".active_request(:id::bigint, :label::text, :cluster::text)

-- name: stored_label
select r.id, r.cluster, r.label, r.state, r.timeline,
  r.server_version as "serverVersion",
  r.system_identifier::text as "systemIdentifier",
  r.started_at as "startedAt",
  r.stopped_at as "stoppedAt",
  r.start_lsn::text as "startLsn",
  r.start_wal as "startWal",
  r.stop_lsn::text as "stopLsn",
  r.stop_wal as "stopWal",
  s.backup_label as bytes,
  s.tablespace_map as "tablespaceMap"
from :"schema".backup_request r
left join :"schema".backup_session s on s.request_id = r.id
where r.id = :id::bigint

-- name: recovery
select pg_is_in_recovery() as recovers,
  case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused
