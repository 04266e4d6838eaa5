create or replace function :"schema".begin_expiry(
  of_cluster text, of_backup text, of_request bigint, may_be bigint, its_method text, its_end timestamptz,
  its_system bigint, its_start pg_lsn, because text, by_policy jsonb, lock_wait interval default '1 second'
) returns text
language plpgsql
security definer
set search_path = :"schema", pg_temp
set lock_timeout = 0
as $$
declare
  is_kept boolean;
  child bigint;
  holders text;
begin
  perform set_config('lock_timeout', format('%sms', greatest(1, ceil(extract(epoch from lock_wait) * 1000))), true);
  perform require_confirmed_origin('expiry');
  if coalesce(of_request, may_be) is not null then
    -- Its keeper may be at work at this moment; so may a verification or a drill, whose result refers to it, for a moment.
    begin
      select keep into is_kept from backup_request where id = coalesce(of_request, may_be) for update;
    exception when lock_not_available then
      select string_agg(format('backend %s of role "%s"', l.pid, a.usename), ', ') into holders
      from backup_request r
      join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = r.xmax
      join pg_stat_activity a on a.pid = l.pid
      where r.id = coalesce(of_request, may_be);
      raise exception 'backup request % is kept locked by %', coalesce(of_request, may_be), coalesce(holders, 'another session')
        using errcode = 'lock_not_available', hint = 'End that session with pg_terminate_backend: the backup and the WAL after it stay until then.';
    end;
    if is_kept then
      return 'keep is set';
    elsif exists (select from legal_hold where request_id = coalesce(of_request, may_be) and not released) then
      return 'it is under legal hold';
    end if;
    -- Whoever would make one from it now waits for this transaction: see guard_backup_request().
    select r.id into child from backup_request r
    where r.parent = of_request and r.incremental_from = its_start and r.system_identifier = its_system
      and r.state not in ('failed', 'cancelled') and r.expired_at is null
      and not exists (select from backup_expiry e where e.request_id = r.id)
    order by r.id limit 1;
    if child is not null then
      return format('backup %s is an incremental copy that needs it', child);
    end if;
  end if;
  insert into backup_expiry
    (cluster, backup, request_id, method, stopped_at, system_identifier, start_lsn, reason, policy, begun_by)
  values (of_cluster, of_backup, of_request, its_method, its_end, its_system, its_start, because, by_policy, session_user)
  on conflict on constraint an_expiry_is_begun_once do nothing;
  -- Whoever would hold or keep it on an older snapshot does not see that row. That this one has been locked FOR UPDATE
  -- and written makes him fail, even where he only locks it FOR KEY SHARE.
  update backup_request set expired_at = expired_at where id = of_request;
  return null;
end
$$;
comment on function :"schema".begin_expiry(text, text, bigint, bigint, text, timestamptz, bigint, pg_lsn, text, jsonb, interval) is
  'Notes that a backup expires, before anything of it is removed; returns null, or why it must not; raises lock_not_available where somebody else has its request locked for longer than lock_wait. may_be: where the backup is not known, a request that may have made it, and whose holds count.';
revoke all on function :"schema".begin_expiry(text, text, bigint, bigint, text, timestamptz, bigint, pg_lsn, text, jsonb, interval) from public;
grant execute on function :"schema".begin_expiry(text, text, bigint, bigint, text, timestamptz, bigint, pg_lsn, text, jsonb, interval) to :"worker";
