create or replace function :"schema".end_expiry(
  of_cluster text, of_backup text, its_system bigint, its_start pg_lsn, its_bytes bigint, problem text
) returns void
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  update backup_expiry
  set removed_at = case when problem is null then clock_timestamp() end,
    bytes = coalesce(its_bytes, bytes),
    error = problem
  where cluster = of_cluster and backup = of_backup and system_identifier = its_system and start_lsn = its_start
    and removed_at is null;
  -- A requester may keep a row of his locked for as long as he likes: then the next expiry writes it.
  update backup_request r
  set expired_at = e.removed_at
  from backup_expiry e
  where r.id in (
      select id from backup_request
      where expired_at is null and id in (select request_id from backup_expiry where removed_at is not null)
      for update skip locked)
    and e.request_id = r.id and e.removed_at is not null
    and e.system_identifier = r.system_identifier and e.start_lsn = r.start_lsn;
end
$$;
comment on function :"schema".end_expiry(text, text, bigint, pg_lsn, bigint, text) is
  'Notes that the files of a backup that has expired are gone, or why they could not be removed.';
revoke all on function :"schema".end_expiry(text, text, bigint, pg_lsn, bigint, text) from public;
grant execute on function :"schema".end_expiry(text, text, bigint, pg_lsn, bigint, text) to :"worker";
