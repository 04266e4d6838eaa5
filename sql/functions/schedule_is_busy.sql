create or replace function :"schema".schedule_is_busy(of_name text) returns boolean
language sql stable
set search_path = :"schema", pg_temp
as $$
  select exists (
    select from backup_schedule_run r, scheduled_work(r.request_id, r.chore_id) w
    where r.schedule = of_name and r.state = 'requested'
      and w.state in ('requested', 'starting', 'running', 'done', 'retrying'))
$$;
comment on function :"schema".schedule_is_busy(text) is
  'Whether what a schedule has requested is under way. A backup that only waits for the archive is not.';
revoke all on function :"schema".schedule_is_busy(text) from public;
grant execute on function :"schema".schedule_is_busy(text) to :"reader";
