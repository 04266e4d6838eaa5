create or replace function :"schema".start_schedule_run(of_run bigint, of_schedule :"schema".backup_schedule) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  this_moment constant timestamptz := clock_timestamp();
  run backup_schedule_run := (select r from backup_schedule_run r where id = of_run);
  requested record;
  why_not text;
  sqlstate_of_it text;
  reason text;
begin
  if not of_schedule.enabled then
    why_not := 'the schedule was disabled';
  elsif of_schedule.overlap <> 'start' and schedule_is_busy(of_schedule.name) then
    if of_schedule.overlap = 'wait' and not exists (
      select from backup_schedule_run r where r.schedule = run.schedule and r.state = 'waiting' and r.id <> run.id)
    then
      update backup_schedule_run set state = 'waiting' where id = run.id and state <> 'waiting';
      return;
    end if;
    why_not := case of_schedule.overlap when 'skip' then 'the run before was still under way'
      else 'another run waited already for the one before' end;
  end if;
  if why_not is not null then
    update backup_schedule_run set state = 'skipped', error = why_not, finished_at = this_moment where id = run.id;
    return;
  end if;

  update backup_schedule_run set attempts = attempts + 1 where id = run.id;
  begin
    requested := request_scheduled(of_schedule, run.due_at);
    update backup_schedule_run
    set state = 'requested', request_id = requested.request_id, chore_id = requested.chore_id, error_code = null, error = null
    where id = run.id;
    update backup_schedule set last_run = this_moment where name = run.schedule;
  exception
    when operator_intervention or insufficient_resources or transaction_rollback or connection_exception
      or lock_not_available
    then
      raise;   -- of the server, not of the request: the worker tries again
    when others then
      get stacked diagnostics sqlstate_of_it = returned_sqlstate, reason = message_text;
      perform settle_schedule_run(run.id, 'failed', this_moment, sqlstate_of_it, reason);
  end;
end
$$;
comment on function :"schema".start_schedule_run(bigint, :"schema".backup_schedule) is
  'Requests what a run is for, unless the schedule''s overlap says otherwise.';
revoke all on function :"schema".start_schedule_run(bigint, :"schema".backup_schedule) from public;
