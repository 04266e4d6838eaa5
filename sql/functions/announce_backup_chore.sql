create or replace function :"schema".announce_backup_chore() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  -- On a busy cluster there is a sync for every segment of WAL: the newest day of those is history enough.
  if new.kind = 'sync' and new.state = 'complete' and new.automatic then
    perform set_config('holdfast.pruning', 'on', true);
    delete from backup_chore
    where id in (
      select id from backup_chore
      where cluster = new.cluster and kind = 'sync' and automatic and state = 'complete'
        and finished_at < clock_timestamp() - interval '1 day'
      limit 1000
      for update skip locked);
    perform set_config('holdfast.pruning', '', true);
  end if;

  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(tg_table_schema || '_state', announcement),
      case when new.state = 'requested' then pg_notify(tg_table_schema || '_request', announcement) end
    from (
      select json_build_object('chore', new.id, 'cluster', new.cluster, 'kind', new.kind, 'state', new.state)::text
        as announcement) a;
  end if;
  return null;
end
$$;
comment on function :"schema".announce_backup_chore() is
  'Tells workers and clients of a chore, and forgets old automatic syncs. Runs with its owner''s rights.';
revoke all on function :"schema".announce_backup_chore() from public;
