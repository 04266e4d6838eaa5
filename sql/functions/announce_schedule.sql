create or replace function :"schema".announce_schedule() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  changed backup_schedule := case tg_op when 'DELETE' then old else new end;
begin
  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(tg_table_schema || '_request',
      json_build_object('schedule', changed.name, 'cluster', changed.cluster)::text);
  end if;
  return null;
end
$$;
comment on function :"schema".announce_schedule() is 'Tells workers of a schedule that is new, changed or gone.';
revoke all on function :"schema".announce_schedule() from public;
