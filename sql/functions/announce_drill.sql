create or replace function :"schema".announce_drill() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  -- Of its backup's history, too; its state stays what it is.
  insert into backup_event (request_id, from_state, to_state, who, login, detail)
  select r.id, r.state, r.state, new.drilled_by, new.drilled_login,
    jsonb_strip_nulls(jsonb_build_object('drill', new.id, 'ok', new.ok, 'worker', new.worker,
      'error_code', new.error_code, 'error', new.error))
  from backup_request r
  where r.id = new.request_id;

  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(tg_table_schema || '_state', json_build_object('kind', 'drill', 'drill', new.id,
      'id', new.request_id, 'cluster', new.cluster, 'backup', new.backup, 'ok', new.ok,
      'error_code', new.error_code)::text);
  end if;
  return null;
end
$$;
comment on function :"schema".announce_drill() is
  'Writes a drill into its backup''s history, and tells clients. Runs with its owner''s rights: nobody else can write backup_event.';
revoke all on function :"schema".announce_drill() from public;
