-- name: waiting
-- Without the copies of requesters who have as many under way in that cluster as they may, by their role or by their
-- login; what is about to be claimed is among not_these. A schedule's login is a worker's, and counts for nobody.
with here as materialized (
  select :"schema".control_origin() as origin, :"schema".origin_is_confirmed() as confirmed
), under_way as materialized (
  select cluster, requested_by, case when schedule is null then requested_login end as login
  from :"schema".backup_request
  where method = 'copy'
    and (state in ('starting', 'running', 'done') or state = 'requested' and id = any (:not_these::bigint[]))
), busy as materialized (
  select cluster, requested_by from under_way
  group by cluster, requested_by
  having count(*) >= :max_copies
), busy_logins as materialized (
  select cluster, login from under_way
  where login is not null
  group by cluster, login
  having count(*) >= :max_copies
)
select id, cluster, requested_by as "requestedBy", login as "requestedLogin", label, method,
  wait_for_archive as "waitForArchive"
from (
  select distinct on (cluster, requested_by, login) id, cluster, requested_by, login, label, method, wait_for_archive
  from (
    select *, case when schedule is null then requested_login end as login
    from :"schema".backup_request
    where state = 'requested'
      and cluster = any (:clusters::text[])
      and id <> all (:not_these::bigint[])
      and control_origin = (select origin from here)
      and (select confirmed from here)
  ) r
  where method <> 'copy'
    or (cluster, requested_by) not in (select cluster, requested_by from busy)
      and (login is null or (cluster, login) not in (select cluster, login from busy_logins))
  order by cluster, requested_by, login, id
) first_of_each
order by id

-- name: claim
-- The session holds its lock already. Where this server cannot see it, a lock here stands for it.
with claimed as (
  update :"schema".backup_request
  set state = 'starting', worker = :worker, pid = :pid, backend_start = :backend_start::timestamptz
  where id = (
    select id from :"schema".backup_request
    where id = :id and state = 'requested' and control_origin = :"schema".control_origin()
      and :"schema".origin_is_confirmed()
    for no key update skip locked)
  returning id, cluster, label, method, fast, wait_for_archive, hold_timeout, rate_limit, compress_level,
    incremental
), seen as (
  select id, :"schema".lock_is_held(:database::oid, :lock_key::bigint, :pid) as here from claimed
), session as (
  insert into :"schema".backup_session
    (request_id, instance, lock_key, login, database, proxy_key, monitor_pid, monitor_key)
  select id, :instance::uuid, :lock_key::bigint, :login::oid,
    case when here then :database::oid end,
    case when not here and pg_try_advisory_lock(:proxy_key::bigint) then :proxy_key::bigint end,
    :monitor_pid, :monitor_key::bigint
  from seen
  returning proxy_key
)
select id, cluster, label, method, fast, wait_for_archive as "waitForArchive",
  (extract(epoch from hold_timeout) * 1000)::float8 as "holdTimeout",
  rate_limit as "rateLimit", compress_level as "compressLevel", incremental,
  proxy_key::text as "proxyKey"
from claimed, session

-- name: mark_running
with moved as (
  update :"schema".backup_request
  set state = 'running', start_lsn = :start_lsn::pg_lsn, start_wal = :start_wal, timeline = :timeline,
    system_identifier = :system_identifier::bigint, server_version = :server_version
  where id = (
    select id from :"schema".backup_request where id = :id and state = 'starting' for no key update nowait)
  returning id
), session as (
  update :"schema".backup_session set tablespaces = :tablespaces::bytea
  where request_id in (select id from moved) and :tablespaces::bytea is not null
)
select id from moved

-- name: mark_incremental
-- Once the worker knows that it copies only what has changed since that one.
update :"schema".backup_request
set parent = :parent::bigint, incremental_from = :incremental_from::pg_lsn
where id = (
  select id from :"schema".backup_request where id = :id and state = 'running' for no key update nowait)
returning id

-- name: mark_done
-- By the worker itself, where it is the one that copies.
update :"schema".backup_request
set state = 'done'
where id = (
  select id from :"schema".backup_request where id = :id and state = 'running' for no key update nowait)
returning id

-- name: record_progress
-- No notification: who wants to know looks at the view.
update :"schema".backup_stage
set bytes_expected = :expected::bigint, bytes_done = :done::bigint
where request_id = :id and stage = 'copy' and state = 'running'

-- name: mark_archiving
with moved as (
  update :"schema".backup_request
  set state = 'archiving', stop_lsn = :stop_lsn::pg_lsn, stop_wal = :stop_wal,
    backup_label = :"schema".bytes_as_text(:backup_label::bytea),
    tablespace_map = :"schema".bytes_as_text(:tablespace_map::bytea)
  where id = (
    select id from :"schema".backup_request where id = :id and state = 'done' for no key update nowait)
  returning id
), session as (
  update :"schema".backup_session
  set backup_label = :backup_label::bytea, tablespace_map = :tablespace_map::bytea
  where request_id in (select id from moved)
)
select id from moved

-- name: mark_complete
update :"schema".backup_request
set state = 'complete', archive_seen = :archive_seen::boolean,
  warnings = warnings || array(
    select w from unnest(array[:warning::text]) w where w is not null and w <> all (warnings))
where id = (
  select id from :"schema".backup_request where id = :id and state = 'archiving' for no key update nowait)
returning id

-- name: mark_failed
update :"schema".backup_request
set state = 'failed', error_code = :code, error = :message, hint = :hint
where id = (
  select id from :"schema".backup_request
  where id = :id and state in ('requested', 'starting', 'running', 'done', 'archiving')
  for no key update nowait)
returning id

-- name: fail_waiting
update :"schema".backup_request
set state = 'failed', error_code = :code, error = :message, hint = :hint
where id = (
  select id from :"schema".backup_request where id = :id and state = 'requested' for no key update nowait)
returning id

-- name: add_warning
update :"schema".backup_request
set warnings = warnings || :warning::text
where id = (
  select id from :"schema".backup_request
  where id = :id and state in ('starting', 'running', 'done', 'archiving') and :warning::text <> all (warnings)
  for no key update nowait)

-- name: describe_stage
update :"schema".backup_stage
set detail = :detail
where request_id = :id and state = 'running' and detail is distinct from :detail

-- name: describe_wait
-- While nobody has taken it.
select :"schema".describe_wait(:id, :detail)

-- name: state
select state from :"schema".backup_request where id = :id

-- name: live
-- All that is not over; of what waits to start, the oldest of each cluster stands for the rest.
with here as materialized (
  select :"schema".control_origin() as origin
), alive as materialized (
  select instance from :"schema".worker
  where :"schema".worker_lock_is_held(lock_key, pid)
), waiting as (
  select distinct on (cluster, control_origin) id, cluster, state, control_origin
  from :"schema".backup_request
  where state = 'requested'
  order by cluster, control_origin, id
)
select r.id, r.cluster, r.state, s.instance,
  s.instance in (select instance from alive) is true as "workerAlive",
  r.control_origin <> here.origin as restored,
  r.state in ('starting', 'running') and r.caller_key is not null
    and not :"schema".caller_waits(r.caller_key, r.caller_pid, r.requested_login) as "callerGone"
from here, :"schema".backup_request r
left join :"schema".backup_session s on s.request_id = r.id
where r.state in ('starting', 'running', 'done', 'archiving')
union all
select id, cluster, state, null, false, control_origin <> here.origin, false
from here, waiting

-- name: fail_restored
update :"schema".backup_request
set state = 'failed', error_code = 'restored',
  error = 'the control database was restored to a time before this request had ended',
  hint = 'Request the backup again. Look into the label directory for labels of backups that ended after that time.'
where id in (
  select r.id from :"schema".backup_request r
  left join :"schema".backup_session s on s.request_id = r.id
  where r.state in ('requested', 'starting', 'running', 'done', 'archiving')
    and r.control_origin <> :"schema".control_origin()
    and not coalesce(:"schema".worker_is_alive(s.instance), false)
  for no key update of r skip locked)
returning id

-- name: abandoned
select r.id, r.cluster, r.state, r.label, r.method, r.wait_for_archive as "waitForArchive", r.pid,
  s.lock_key::text as "lockKey", s.login::bigint as login, s.database is not null as here, s.monitor_pid as "monitorPid",
  s.monitor_key::text as "monitorKey", r.start_lsn::text as "startLsn", r.start_wal as "startWal",
  r.stop_lsn::text as "stopLsn", r.stop_wal as "stopWal", r.stopped_at as "stoppedAt",
  r.system_identifier::text as "systemIdentifier", r.server_version as "serverVersion", r.timeline,
  r.started_at as "startedAt", s.tablespaces
from :"schema".backup_request r
join :"schema".backup_session s on s.request_id = r.id
where r.id = :id
  and r.state in ('starting', 'running', 'done', 'archiving')
  and not :"schema".worker_is_alive(s.instance)

-- name: adopt
with free as (
  select id from :"schema".backup_request where id = :id for no key update nowait
), adopted as (
  update :"schema".backup_session
  set instance = :instance::uuid
  where request_id in (select id from free) and not :"schema".worker_is_alive(instance)
  returning request_id
), named as (
  update :"schema".backup_request set worker = :worker where id in (select request_id from adopted)
)
select request_id from adopted

-- name: lock_is_held_here
select coalesce(h.login = coalesce(s.login, h.login), false) as held
from :"schema".backup_request r join :"schema".backup_session s on s.request_id = r.id,
  :"schema".lock_holder(s.database, s.lock_key, r.pid) h (login)
where r.id = :id

-- name: known_copies
-- What the database knows of copies in a repository.
select r.id, r.state, r.timeline,
  r.start_lsn::text as "startLsn",
  r.system_identifier::text as "systemIdentifier",
  r.expired_at is not null or exists (
    select from :"schema".backup_expiry e
    where e.request_id = r.id and e.system_identifier = r.system_identifier and e.start_lsn = r.start_lsn)
    as "hasExpired",
  (select v.ok from :"schema".backup_verification v
   where v.request_id = r.id order by v.id desc limit 1) as "isVerified"
from :"schema".backup_request r
where r.id = any (:ids::bigint[]) and r.cluster = :cluster and r.method = 'copy' and r.start_lsn is not null

-- name: record_damaged_pages
-- Once for each, however often it is told.
insert into :"schema".damaged_page (request_id, file, block)
select :id, file, block
from jsonb_to_recordset(:pages::jsonb) as page (file text, block bigint)
on conflict do nothing
