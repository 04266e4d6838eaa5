create or replace function :"schema".tend_schedule(of_name text) returns boolean
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  s backup_schedule;
  run record;
begin
  perform require_worker();
  if not origin_is_confirmed() then
    return false;
  end if;
  select * into s from backup_schedule where name = of_name for update skip locked;
  if not found then
    return false;
  end if;

  -- 1. What has ended?
  for run in
    select r.id, w.* from backup_schedule_run r, scheduled_work(r.request_id, r.chore_id) w
    where r.schedule = s.name and r.state = 'requested' order by r.due_at
  loop
    if run.state is null then
      perform settle_schedule_run(run.id, 'failed', clock_timestamp(), 'request_gone', 'what it requested is gone');
    elsif run.state in ('complete', 'failed', 'cancelled') then
      perform settle_schedule_run(run.id, run.state, run.finished_at, run.error_code, run.error);
    end if;
  end loop;

  select * into s from backup_schedule where name = of_name;   -- it may have been paused just now

  -- 2. A failed run is tried again until the next one is due, or the schedule disabled.
  update backup_schedule_run r
  set state = 'failed', finished_at = clock_timestamp()
  where r.schedule = s.name and r.state = 'retrying'
    and (not s.enabled or exists (
      select from backup_schedule_run n where n.schedule = s.name and n.due_at > r.due_at and n.state <> 'missed'));

  -- 3. What can start?
  for run in
    select id from backup_schedule_run r
    where r.schedule = s.name and r.state in ('due', 'waiting', 'retrying') and r.start_at <= clock_timestamp()
    order by r.due_at
  loop
    perform start_schedule_run(run.id, s);
  end loop;
  return true;
end
$$;
comment on function :"schema".tend_schedule(text) is
  'Writes down which runs of a schedule have ended, and starts those that can. For workers.';
revoke all on function :"schema".tend_schedule(text) from public;
grant execute on function :"schema".tend_schedule(text) to :"worker";
