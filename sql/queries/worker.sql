-- name: try_lock
select pg_try_advisory_lock(:key::bigint) as locked

-- name: unlock
select pg_advisory_unlock(:key::bigint) as unlocked

-- name: backend
select pg_backend_pid() as pid

-- name: holder_of_name
select id, instance, pid, lock_key::text as "lockKey",
  :"schema".worker_lock_is_held(lock_key, pid) as alive
from :"schema".worker
where name = :name
for update

-- name: register
insert into :"schema".worker (name, instance, clusters, version, host, host_pid, pid, lock_key)
values (:name, :instance::uuid, :clusters::text[], :version, :host, :host_pid, pg_backend_pid(), :lock_key::bigint)
on conflict (name) do update
set instance = excluded.instance, clusters = excluded.clusters, version = excluded.version, host = excluded.host,
  host_pid = excluded.host_pid, pid = excluded.pid, lock_key = excluded.lock_key,
  started_at = case when worker.instance = excluded.instance then worker.started_at else clock_timestamp() end,
  last_seen = clock_timestamp(), draining = :draining

-- name: set_proxy_key
update :"schema".backup_session
set proxy_key = :proxy_key::bigint
where request_id = :id and instance = :instance::uuid

-- name: heartbeat
update :"schema".worker
set last_seen = clock_timestamp(), draining = :draining
where instance = :instance::uuid
returning (select max(number) from :"schema".migration) as "schemaVersion"

-- name: set_monitor
update :"schema".backup_session s
set monitor_pid = :pid, monitor_key = :lock_key::bigint
from :"schema".backup_request r
where r.id = s.request_id and r.cluster = :cluster and r.state in ('starting', 'running', 'done')
  and s.instance = :instance::uuid

-- name: register_cluster
insert into :"schema".cluster (name)
select unnest(:names::text[])
on conflict do nothing

-- name: report_cluster
update :"schema".cluster
set checked_at = clock_timestamp(), server_version = :server_version, archive_mode = :archive_mode,
  archiver_failing = :archiver_failing, last_archived_wal = :last_archived_wal,
  last_archived_at = :last_archived_at, last_failed_wal = :last_failed_wal, last_failed_at = :last_failed_at,
  wal_waiting = :wal_waiting,
  wal_waiting_since = clock_timestamp() - make_interval(secs => :wal_waiting_for::float8),
  recovery_settings = :recovery_settings::text[]
where name = :name
