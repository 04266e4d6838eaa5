create or replace function :"schema".record_backup_event() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  stage_of constant jsonb := '{"starting": "checkpoint", "running": "copy", "done": "stop", "archiving": "archive"}';
  old_state text;
begin
  if tg_op = 'UPDATE' then
    old_state := old.state;
    if new.state = old.state then
      return null;
    end if;
  end if;

  insert into backup_event (request_id, from_state, to_state, who, login, detail)
  values (new.id, old_state, new.state, new.moved_by, session_user,
    nullif(jsonb_strip_nulls(jsonb_build_object(
      'worker', new.worker, 'error_code', new.error_code, 'error', new.error)), '{}'));

  update backup_stage
  set ended_at = clock_timestamp(), detail = null,
    state = case when new.state in ('failed', 'cancelled') then new.state else 'done' end
  where request_id = new.id and state = 'running';
  insert into backup_stage (request_id, stage, state)
  select new.id, stage_of ->> new.state, 'running' where stage_of ? new.state;

  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(tg_table_schema || '_state', announcement)
    from (select json_build_object('id', new.id, 'cluster', new.cluster, 'state', new.state)::text as announcement) a;
    if new.state in ('requested', 'done', 'cancelled') or (new.state = 'failed' and new.error_code = 'given_up') then
      perform pg_notify(tg_table_schema || '_request',
        json_build_object('id', new.id, 'cluster', new.cluster, 'state', new.state)::text);
    end if;
    if new.schedule is not null and new.state in ('archiving', 'complete', 'failed', 'cancelled') then
      perform pg_notify(tg_table_schema || '_request',
        json_build_object('schedule', new.schedule, 'cluster', new.cluster)::text);
    end if;
  end if;
  return null;
end
$$;
comment on function :"schema".record_backup_event() is
  'Writes the history and the stages of a request, and tells workers and clients. Runs with its owner''s rights: nobody else can write backup_event, nor hang this trigger on a table of his own.';
revoke all on function :"schema".record_backup_event() from public;
