create or replace function :"schema".settle_schedule_run(of_run bigint, outcome text, ended_at timestamptz, code text, reason text)
  returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  run backup_schedule_run := (select r from backup_schedule_run r where id = of_run);
  on_failure text := (select s.on_failure from backup_schedule s where name = run.schedule);
  again boolean := outcome = 'failed' and on_failure = 'retry' and not exists (
    select from backup_schedule_run r where r.schedule = run.schedule and r.due_at > run.due_at and r.state <> 'missed');
begin
  update backup_schedule_run
  set state = case when again then 'retrying' else outcome end,
    start_at = case when again
      then clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(10, greatest(0, run.attempts - 1)))
      else start_at end,
    error_code = code, error = reason, finished_at = case when not again then ended_at end
  where id = of_run;
  if outcome = 'complete' then
    update backup_schedule set last_success = greatest(last_success, ended_at) where name = run.schedule;
  elsif outcome = 'failed' and on_failure = 'pause' then
    update backup_schedule set enabled = false, paused_because = reason where name = run.schedule;
  end if;
end
$$;
comment on function :"schema".settle_schedule_run(bigint, text, timestamptz, text, text) is
  'Writes how an attempt of a run ended, and does what the schedule''s on_failure says.';
revoke all on function :"schema".settle_schedule_run(bigint, text, timestamptz, text, text) from public;
