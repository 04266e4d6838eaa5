-- name: look
-- What a worker has to know of its schedules, in one round trip.
select s.name, s.cron,
  s.time_zone as "timeZone",
  s.revision,
  extract(epoch from s.planned_after)::float8 * 1000 as "plannedAfter",
  extract(epoch from s.next_run)::float8 * 1000 as "nextRun",
  s.problem,
  s.enabled,
  extract(epoch from clock_timestamp())::float8 * 1000 as now,
  extract(epoch from open.start_at)::float8 * 1000 as "startAt",
  coalesce(open.ended, false)
    or coalesce(open.waiting, false) and not :"schema".schedule_is_busy(s.name) as "needsTending"
from :"schema".backup_schedule s
left join lateral (
  select min(r.start_at) filter (where r.state in ('due', 'retrying')) as start_at,
    bool_or(r.state = 'waiting') as waiting,
    bool_or(r.state = 'requested' and coalesce(w.state in ('complete', 'failed', 'cancelled'), true)) as ended
  from :"schema".backup_schedule_run r, :"schema".scheduled_work(r.request_id, r.chore_id) w
  where r.schedule = s.name and r.state in ('due', 'waiting', 'retrying', 'requested')) open on true
where s.cluster = any (:clusters::text[])
  and :"schema".origin_is_confirmed()
  and (s.enabled or open.start_at is not null or open.waiting or open.ended)

-- name: plan
select :"schema".plan_schedule(:name, :revision::bigint, to_timestamp(:following::float8 / 1000), :problem) as done

-- name: fire
select :"schema".fire_schedule(:name, :revision::bigint, to_timestamp(:planned::float8 / 1000),
  to_timestamp(:due::float8 / 1000), :too_late::boolean, to_timestamp(:following::float8 / 1000), :problem) as done

-- name: tend
select :"schema".tend_schedule(:name) as done

-- name: status
select name, cluster, kind, incremental, cron, owner, state, problem,
  time_zone as "timeZone",
  next_run as "nextRun",
  extract(epoch from next_run - clock_timestamp())::float8 as "nextIn",
  last_run as "lastRun",
  last_success as "lastSuccess",
  extract(epoch from clock_timestamp() - last_success)::float8 as "lastSuccessAgo",
  last_due as "lastDue",
  last_state as "lastState",
  last_request as "lastRequest",
  last_error as "lastError",
  extract(epoch from late)::float8 as late
from :"schema".schedule_status
order by name
