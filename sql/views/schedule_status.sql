create or replace view :"schema".schedule_status as
select s.name,
  s.cluster,
  s.kind,
  s.cron,
  s.time_zone,
  s.owner,
  case when s.paused_because is not null then 'paused' when not s.enabled then 'disabled' else 'enabled' end as state,
  s.next_run,
  s.last_run,
  s.last_success,
  latest.due_at as last_due,
  latest.state as last_state,
  latest.request_id as last_request,
  latest.error as last_error,
  case when not :"schema".origin_is_confirmed() then interval '0'
    else greatest(interval '0', clock_timestamp() - least(
    case when s.enabled and s.problem is null then coalesce(s.next_run, s.changed_at) end,
    (select min(r.start_at) from :"schema".backup_schedule_run r where r.schedule = s.name and r.state in ('due', 'retrying')))) end as late,
  coalesce(case when not :"schema".origin_is_confirmed()
      then 'it rests: nobody has said that this control database is in charge ("holdfast adopt")' end,
    s.paused_because, s.problem) as problem,
  s.incremental
from :"schema".backup_schedule s
left join lateral (
  select r.due_at, r.state, r.request_id, r.error from :"schema".backup_schedule_run r
  where r.schedule = s.name and r.state not in ('due', 'skipped')
  order by r.due_at desc limit 1) latest on true;
comment on view :"schema".schedule_status is 'One row per schedule: when it is due, how its last run went, whether it is late.';
comment on column :"schema".schedule_status.name is 'The schedule.';
comment on column :"schema".schedule_status.cluster is 'Its cluster.';
comment on column :"schema".schedule_status.kind is 'What it requests.';
comment on column :"schema".schedule_status.cron is 'When it is due.';
comment on column :"schema".schedule_status.time_zone is 'On whose clock.';
comment on column :"schema".schedule_status.owner is 'With whose rights.';
comment on column :"schema".schedule_status.state is
  'enabled; disabled by somebody; or paused, because a run failed and its on_failure is pause.';
comment on column :"schema".schedule_status.next_run is 'When it is due next.';
comment on column :"schema".schedule_status.last_run is 'When it last requested something.';
comment on column :"schema".schedule_status.last_success is 'When what it had requested was last complete.';
comment on column :"schema".schedule_status.last_due is 'The due time of its last run that was not skipped.';
comment on column :"schema".schedule_status.last_state is 'The state of that run, as in backup_schedule_run.';
comment on column :"schema".schedule_status.last_request is 'Its request.';
comment on column :"schema".schedule_status.last_error is 'What went wrong with it.';
comment on column :"schema".schedule_status.late is
  'For how long a worker should have done something that it has not; zero: there is nothing.';
comment on column :"schema".schedule_status.problem is 'Why it is paused, or why it is not known when it is due.';
comment on column :"schema".schedule_status.incremental is
  'Whether its requests copy only what has changed, but for a full copy as often as full_every says.';
grant select on :"schema".schedule_status to :"reader";
