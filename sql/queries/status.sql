-- name: live
select s.id, s.cluster, s.label, s.method, s.state, s.session, s.stage, s.worker, s.warnings,
  s.requested_by as "requestedBy",
  s.start_lsn::text as "startLsn",
  s.waiting_for as "waitingFor",
  s.bytes_expected as "bytesExpected",
  s.bytes_done as "bytesDone",
  s.bytes_per_second as "bytesPerSecond",
  extract(epoch from s.age)::float8 as age,
  extract(epoch from coalesce(s.stage_age, s.age))::float8 as "stageAge",
  extract(epoch from r.hold_timeout)::float8 as "holdTimeout"
from :"schema".backup_status s
join :"schema".backup_request r on r.id = s.id
order by s.id

-- name: finished
select id, cluster, label, method, state, worker, warnings, error, hint, parent,
  case when method = 'copy' and start_lsn is not null then :"schema".chain_of(id)::float8[] end as chain,
  error_code as "errorCode",
  requested_by as "requestedBy",
  requested_at as "requestedAt",
  finished_at as "finishedAt",
  extract(epoch from finished_at - requested_at)::float8 as took,
  extract(epoch from clock_timestamp() - finished_at)::float8 as ago
from :"schema".backup_request
where state in ('complete', 'failed', 'cancelled')
  and id < :before::bigint
order by id desc
limit :page

-- name: workers
select name, alive, draining, clusters, held, version, host,
  host_pid as "hostPid",
  started_at as "startedAt",
  last_seen as "lastSeen",
  extract(epoch from clock_timestamp() - last_seen)::float8 as "lastSeenAgo"
from :"schema".worker_status
order by alive desc, name

-- name: clusters
select c.name,
  c.server_version as "serverVersion",
  c.archive_mode as "archiveMode",
  c.archiver_failing as "archiverFailing",
  c.last_archived_wal as "lastArchivedWal",
  extract(epoch from clock_timestamp() - c.last_archived_at)::float8 as "lastArchivedAgo",
  c.last_failed_wal as "lastFailedWal",
  extract(epoch from clock_timestamp() - c.last_failed_at)::float8 as "lastFailedAgo",
  coalesce(c.recovery_settings, '{}') as "recoverySettings",
  c.checked_at as "checkedAt",
  extract(epoch from clock_timestamp() - c.checked_at)::float8 as "checkedAgo",
  array(
    select w.name from :"schema".worker_status w
    where w.alive and not w.draining and c.name = any (w.clusters) order by w.name) as workers,
  c.checked_at is not null
    or exists (select from :"schema".worker w where c.name = any (w.clusters))
    or exists (select from :"schema".backup_request r where r.cluster = c.name) as used,
  complete.id as "completeId",
  complete.finished_at as "completeAt",
  extract(epoch from clock_timestamp() - complete.finished_at)::float8 as "completeAgo",
  failed.id as "failedId",
  failed.error as "failedError",
  extract(epoch from clock_timestamp() - failed.finished_at)::float8 as "failedAgo"
from :"schema".cluster c
left join lateral (
  select r.id, r.finished_at from :"schema".backup_request r
  where r.cluster = c.name and r.state = 'complete'
  order by r.finished_at desc limit 1) complete on true
left join lateral (
  select r.id, r.finished_at, r.error from :"schema".backup_request r
  where r.cluster = c.name and r.state = 'failed'
  order by r.finished_at desc limit 1) failed on true
order by c.name

-- name: backlogs
-- As the worker saw it that looked last.
select name as cluster, wal_waiting as files,
  extract(epoch from checked_at - wal_waiting_since)::float8 as seconds
from :"schema".cluster
where wal_waiting_since is not null
order by name

-- name: request
select r.id, r.cluster, r.label, r.method, r.command, r.fast, r.keep, r.annotations, r.state, r.worker, r.pid,
  r.timeline, r.error, r.hint, r.warnings,
  r.wait_for_archive as "waitForArchive",
  extract(epoch from r.hold_timeout)::float8 as "holdTimeout",
  r.rate_limit as "rateLimit",
  r.compress_level as "compressLevel",
  r.incremental,
  r.parent,
  r.incremental_from::text as "incrementalFrom",
  case when r.method = 'copy' and r.start_lsn is not null then :"schema".chain_of(r.id)::float8[] end as chain,
  r.requested_by as "requestedBy",
  r.requested_login as "requestedLogin",
  r.requested_at as "requestedAt",
  r.backend_start as "backendStart",
  r.started_at as "startedAt",
  r.start_lsn::text as "startLsn",
  r.start_wal as "startWal",
  r.system_identifier::text as "systemIdentifier",
  r.server_version as "serverVersion",
  r.done_at as "doneAt",
  r.stopped_at as "stoppedAt",
  r.stop_lsn::text as "stopLsn",
  r.stop_wal as "stopWal",
  r.archived_at as "archivedAt",
  r.archive_seen as "archiveSeen",
  r.finished_at as "finishedAt",
  r.error_code as "errorCode",
  r.backup_label as "backupLabel",
  r.tablespace_map as "tablespaceMap",
  :"schema".session_state(r.id) as session,
  case when r.finished_at is null then :"schema".waiting_for(r.id) end as "waitingFor"
from :"schema".backup_request r
where r.id = :id::bigint

-- name: stages
select stage, state, detail,
  began_at as "beganAt",
  ended_at as "endedAt",
  bytes_expected as "bytesExpected",
  bytes_done as "bytesDone",
  extract(epoch from coalesce(ended_at, clock_timestamp()) - began_at)::float8 as took
from :"schema".backup_stage
where request_id = :id::bigint
order by began_at

-- name: events
select at, who, login, detail,
  from_state as "fromState",
  to_state as "toState"
from :"schema".backup_event
where request_id = :id::bigint
order by id

-- name: restore_windows
select cluster, timeline, holes, breaks,
  written_since as "writtenSince",
  extract(epoch from clock_timestamp() - written_until)::float8 as "writtenAgo",
  written_until as "writtenUntil",
  extract(epoch from clock_timestamp() - latest_time)::float8 as "latestAgo",
  up_to_date as "upToDate",
  earliest_time as "earliestTime",
  earliest_lsn::text as "earliestLsn",
  earliest_copy_time as "earliestCopyTime",
  latest_time as "latestTime",
  latest_lsn::text as "latestLsn"
from :"schema".restore_window
order by cluster, timeline

-- name: chores
-- What is not over, and of each cluster and kind what ended last.
select id, cluster, kind, state, attempts, backup, worker, error, hint, result,
  error_code as "errorCode",
  requested_by as "requestedBy",
  requested_at as "requestedAt",
  started_at as "startedAt",
  next_attempt_at as "nextAttemptAt",
  finished_at as "finishedAt",
  state = 'running' and not :"schema".worker_is_alive(instance) as "workerGone",
  extract(epoch from clock_timestamp() - requested_at)::float8 as age,
  extract(epoch from clock_timestamp() - finished_at)::float8 as ago,
  extract(epoch from next_attempt_at - clock_timestamp())::float8 as "nextIn",
  case when state = 'running'
    then extract(epoch from clock_timestamp() - started_at)::float8 end as "runningFor",
  case when state = 'running' then (
    select extract(epoch from max(latest.took))::float8
    from (
      select c.finished_at - c.started_at as took from :"schema".backup_chore c
      where c.cluster = chore.cluster and c.kind = chore.kind and c.state = 'complete'
      order by c.finished_at desc
      limit 100) latest) end as "usuallyRunsFor"
from (
  select * from :"schema".backup_chore
  where state in ('requested', 'running', 'retrying')
  union all
  select newest.*
  from (select distinct cluster, kind from :"schema".backup_chore) each,
  lateral (
    select * from :"schema".backup_chore c
    where c.cluster = each.cluster and c.kind = each.kind and c.state in ('complete', 'failed')
    order by c.finished_at desc
    limit 1) newest
) chore
order by finished_at desc nulls first, id

-- name: damaged
-- Of each cluster the damaged pages that its copies have found since the newest full copy that found none. An incremental
-- copy reads only the blocks that have changed, so it says nothing of the others; nor does a copy that has expired since.
with clean as (
  select c.name as cluster, (
    select r.id from :"schema".backup_request r
    where r.cluster = c.name and r.method = 'copy' and r.state = 'complete' and r.parent is null
      and not exists (select from :"schema".damaged_page d where d.request_id = r.id)
    order by r.id desc limit 1) as id
  from :"schema".cluster c
), copy as (
  select r.id, r.cluster, r.state, r.error
  from clean
  join :"schema".backup_request r on r.cluster = clean.cluster and r.id > coalesce(clean.id, 0)
    and r.method = 'copy' and (r.state = 'complete' or r.error_code = 'damaged_pages')
), damage as (
  select copy.cluster, d.file, d.block, max(copy.id) as id, format('block %s of "%s"', d.block, d.file) as what
  from copy
  join :"schema".damaged_page d on d.request_id = copy.id
  group by copy.cluster, d.file, d.block
  union all
  -- Where on_damaged_page is "fail", the error names the first page.
  select cluster, null, null, max(id), error from copy where state = 'failed' group by cluster, error
)
select max(id)::float8 as id, cluster, count(*)::integer as pages,
  (array_agg(what order by file, block))[1:10] as named
from damage
group by cluster
order by cluster

-- name: unseen
-- Of each cluster the newest complete backup that was waited for, where its WAL was not in the archive, and has not come
-- into the repository since.
select newest.id::float8 as id, newest.cluster, newest.start_wal as "startWal", newest.stop_wal as "stopWal"
from :"schema".cluster c
cross join lateral (
  select r.id, r.cluster, r.timeline, r.start_wal, r.stop_wal, r.archive_seen from :"schema".backup_request r
  where r.cluster = c.name and r.state = 'complete' and r.wait_for_archive
  order by r.finished_at desc limit 1) newest
where not newest.archive_seen
  and not exists (
    select from :"schema".archived_wal a
    where a.cluster = newest.cluster and a.timeline = newest.timeline
      and a.start_wal collate "C" <= newest.start_wal and a.end_wal collate "C" >= newest.stop_wal)
order by newest.cluster
