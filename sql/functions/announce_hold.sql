create or replace function :"schema".announce_hold() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(tg_table_schema || '_request', json_build_object('held', id, 'cluster', cluster)::text)
    from backup_request
    where id = (to_jsonb(new) ->> case tg_table_name when 'legal_hold' then 'request_id' else 'id' end)::bigint;
  end if;
  return null;
end
$$;
comment on function :"schema".announce_hold() is
  'Tells workers that a backup is held, kept or released, so that they write it beside the backup. Runs with its owner''s rights.';
revoke all on function :"schema".announce_hold() from public;
