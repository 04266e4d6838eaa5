create or replace function :"schema".fire_schedule(
  of_name text, of_revision bigint, planned timestamptz, due timestamptz, too_late boolean, following timestamptz,
  why_not text) returns boolean
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  this_moment constant timestamptz := clock_timestamp();
  s backup_schedule;
begin
  perform require_worker();
  if not origin_is_confirmed() then
    return false;
  end if;
  select * into s from backup_schedule
  where name = of_name and revision = of_revision and enabled and next_run = planned
    and planned <= due and due <= this_moment and due < coalesce(following, 'infinity')
  for update skip locked;
  if not found then
    return false;   -- another worker was quicker, or somebody has changed it
  end if;

  insert into backup_schedule_run (schedule, due_at, missed_since, state, start_at, error, finished_at)
  values (s.name, due, case when too_late or planned < due then planned end,
    case when too_late and s.catch_up = 'none' then 'missed' else 'due' end,
    case when too_late then this_moment else due end + random() * s.jitter,
    case when too_late and s.catch_up = 'none' then 'no worker that serves the cluster was there when it was due' end,
    case when too_late and s.catch_up = 'none' then this_moment end)
  on conflict on constraint one_run_per_due_time do nothing;
  update backup_schedule
  set next_run = following, planned_after = due, problem = why_not
  where name = s.name;
  return true;
end
$$;
comment on function :"schema".fire_schedule(text, bigint, timestamptz, timestamptz, boolean, timestamptz, text) is
  'Makes a run for a due time, and notes the next one, in one transaction: whichever worker comes first. For workers.';
revoke all on function :"schema".fire_schedule(text, bigint, timestamptz, timestamptz, boolean, timestamptz, text) from public;
grant execute on function :"schema".fire_schedule(text, bigint, timestamptz, timestamptz, boolean, timestamptz, text) to :"worker";
