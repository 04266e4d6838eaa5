create or replace function :"schema".recall_hold(
  of_request bigint, its_system bigint, its_start pg_lsn, kind text, because text, by_role text, by_login text,
  since timestamptz
) returns boolean
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  -- Whoever has the row locked holds up nobody: what lies beside the backup counts all the same.
  perform from backup_request
  where id = of_request and system_identifier = its_system and start_lsn = its_start
    and not exists (select from backup_expiry where request_id = of_request)
  for no key update skip locked;
  if not found then
    return false;
  elsif kind = 'keep' then
    update backup_request set keep = true, keep_changed_at = since
    where id = of_request and not keep and coalesce(keep_changed_at, '-infinity') < since;
    return found;
  elsif exists (
    select from legal_hold where request_id = of_request and reason = because and placed_at = since)
  then
    return false;
  end if;
  insert into legal_hold (request_id, reason, placed_by, placed_login, placed_at)
  values (of_request, because, by_role, by_login, since);
  return true;
end
$$;
comment on function :"schema".recall_hold(bigint, bigint, pg_lsn, text, text, text, text, timestamptz) is
  'Notes a legal hold or a keep that lies beside a backup and that this database does not know, since it was restored: it can be released here from then on. For workers; it releases nothing.';
revoke all on function :"schema".recall_hold(bigint, bigint, pg_lsn, text, text, text, text, timestamptz) from public;
grant execute on function :"schema".recall_hold(bigint, bigint, pg_lsn, text, text, text, text, timestamptz) to :"worker";
