-- name: policy
-- Ages are counted on the database's clock, days and months of an interval in the policy's time zone.
select clock.now,
  p.cluster is not null and p.enabled as "isEnabled",
  p.keep_last as "keepLast",
  p.keep_daily as "keepDaily",
  p.keep_weekly as "keepWeekly",
  p.keep_monthly as "keepMonthly",
  p.time_zone as "timeZone",
  (clock.now at time zone p.time_zone - p.keep_within) at time zone p.time_zone as "keepSince",
  (clock.now at time zone p.time_zone - p.recovery_window) at time zone p.time_zone as "recoverSince",
  (to_jsonb(p) - 'changed_by' - 'changed_login' - 'changed_at')::text as definition
from (select clock_timestamp() as now) clock
join :"schema".cluster c on c.name = :cluster
left join :"schema".retention_policy p on p.cluster = c.name

-- name: backups
-- What has a window, and has not expired: of a copy also when it failed later on, since its files may be there.
select r.id, r.cluster, r.label, r.method, r.state, r.timeline, r.keep,
  r.system_identifier::text as "systemIdentifier",
  r.start_lsn::text as "startLsn",
  r.stop_lsn::text as "stopLsn",
  r.start_wal as "startWal",
  r.stop_wal as "stopWal",
  r.started_at as "startedAt",
  r.stopped_at as "stoppedAt",
  r.backup_label as "backupLabel",
  r.parent,
  r.archive_seen as "archiveSeen",
  coalesce('schedule ' || r.schedule, 'role ' || r.requested_by) as requester,
  array(
    select h.reason from :"schema".legal_hold h
    where h.request_id = r.id and not h.released order by h.id) as holds,
  exists (
    select from :"schema".backup_expiry e
    where e.request_id = r.id and e.system_identifier = r.system_identifier and e.start_lsn = r.start_lsn) as "isBegun",
  -- Also where the expiry gave up a backup that was held by then, and so noted no request.
  exists (
    select from :"schema".backup_expiry e
    where e.cluster = r.cluster and split_part(e.backup, '-', 2) = r.id::text
      and e.system_identifier = r.system_identifier and e.start_lsn = r.start_lsn) as "isNoted"
from :"schema".backup_request r
where r.cluster = :cluster
  and r.start_lsn is not null
  and r.expired_at is null
order by r.id

-- name: evidence
-- When something happened, by the hour: what proves that time went by. Not when something was due, nor will be.
select distinct date_trunc('hour', e.at) as at
from (
  select at from :"schema".backup_event
  union all select unnest(array[started_at, stopped_at, finished_at]) from :"schema".backup_request
  union all select unnest(array[started_at, last_seen]) from :"schema".worker
  union all select unnest(array[requested_at, finished_at]) from :"schema".backup_chore
  union all select finished_at from :"schema".backup_schedule_run
  union all select finished_at from :"schema".backup_verification
  union all select finished_at from :"schema".backup_drill
  union all select begun_at from :"schema".backup_expiry
  union all select begun_at from :"schema".wal_expiry
  union all select unnest(array[last_archived_at, seen_at]) from :"schema".archived_wal) e
where e.at > coalesce(:after::timestamptz, '-infinity')

-- name: starting
select id from :"schema".backup_request
where cluster = :cluster and state = 'starting'
order by id

-- name: verified
select distinct on (backup) backup, ok
from :"schema".backup_verification
where cluster = :cluster
order by backup, id desc

-- name: begin
select :"schema".begin_expiry(:cluster, :backup, :request::bigint, :may_be::bigint, :method, :stopped_at::timestamptz,
  :system_identifier::bigint, :start_lsn::pg_lsn, :reason, :policy::jsonb, :lock_wait * interval '1 ms') as refused

-- name: end
select :"schema".end_expiry(:cluster, :backup, :system_identifier::bigint, :start_lsn::pg_lsn, :bytes::bigint, :problem)

-- name: wal
insert into :"schema".wal_expiry (cluster, timeline, start_wal, end_wal, files, reason)
values (:cluster, :timeline, :start_wal, :end_wal, :files, :reason)

-- name: clusters
select cluster from :"schema".retention_policy where enabled order by cluster

-- name: holds
-- Of every backup that is or was held or kept, what lies beside it, too. Times with all their digits, to be compared.
select r.id, r.method,
  r.system_identifier::text as "systemIdentifier",
  r.start_lsn::text as "startLsn",
  r.started_at as "startedAt",
  :"schema".control_origin() as origin,
  r.keep,
  to_char(r.keep_changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "keepChangedAt",
  to_char(coalesce(r.keep_changed_at, r.requested_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "keptSince",
  r.requested_by as "requestedBy",
  coalesce((
    select jsonb_agg(jsonb_build_object('reason', h.reason, 'by', h.placed_by, 'login', h.placed_login,
      'at', to_char(h.placed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'released', h.released) order by h.id)
    from :"schema".legal_hold h where h.request_id = r.id), '[]') as holds
from :"schema".backup_request r
where r.cluster = :cluster
  and r.start_lsn is not null
  and r.expired_at is null
  and (r.keep or r.keep_changed_at is not null
    or exists (select from :"schema".legal_hold h where h.request_id = r.id))
order by r.id

-- name: recall
select :"schema".recall_hold(:id::bigint, :system_identifier::bigint, :start_lsn::pg_lsn, :kind, :reason, :by, :login,
  :at::timestamptz) as recalled
