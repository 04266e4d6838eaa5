create or replace function :"schema".forget_copy(of_request bigint, because text) returns void
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  who constant text := require_operator('forget a copy');
  this_moment constant timestamptz := clock_timestamp();
  r backup_request;
  lost text;
begin
  if coalesce(because, '') = '' then
    raise exception 'say why the copy of backup request % is gone', of_request
      using errcode = 'invalid_parameter_value', hint = format('Give a reason: SELECT %I.forget_copy(%s, ''reason'');', current_schema(), of_request);
  end if;
  perform require_confirmed_origin('forget_copy');

  -- Its keeper may be at work at this moment, and a requester may keep a row locked for any time.
  select * into r from backup_request where id = of_request for update skip locked;
  if not found then
    if exists (select from backup_request where id = of_request) then
      raise exception 'backup request % is kept locked by another session', of_request
        using errcode = 'lock_not_available', hint = 'End that session (pg_locks, pg_stat_activity), or try again.';
    end if;
    raise exception 'backup request % does not exist', of_request using errcode = 'HF001';
  elsif not exists (select from missing_backup where request_id = of_request)
    or exists (select from backup_expiry where request_id = of_request)
  then
    raise exception 'the copy of backup request % is not missing', of_request
      using errcode = 'HF001',
        hint = 'Select from missing_backup what can be forgotten: the copies that a worker did not find. Other copies expire by the retention policy.';
  elsif r.keep or exists (select from legal_hold where request_id = of_request and not released) then
    raise exception 'backup request % is % and its copy is missing', of_request,
        case when r.keep then 'to be kept,' else 'under legal hold,' end
      using errcode = 'HF001', hint = 'Look for the copy first. If it is gone for good, set keep to false, or release the hold.';
  end if;

  insert into backup_expiry
    (cluster, backup, request_id, method, stopped_at, system_identifier, start_lsn, reason, begun_at, begun_by, removed_at)
  values (r.cluster, to_char(r.started_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') || '-' || r.id, r.id, r.method,
    coalesce(r.stopped_at, r.finished_at), r.system_identifier, r.start_lsn, 'forgotten: ' || because, this_moment,
    session_user, this_moment);
  update backup_request set expired_at = this_moment where id = of_request;
  insert into backup_event (request_id, from_state, to_state, who, login, detail)
  values (r.id, r.state, r.state, who, session_user, jsonb_build_object('forgotten', because));
  delete from missing_backup where request_id = of_request;
  select string_agg(c.id::text, ', ' order by c.id) into lost
  from backup_chain c where of_request = any (c.chain) and c.id <> of_request;
  if lost is not null then
    raise warning 'without the copy of backup request %, these incremental copies cannot be restored: %', of_request, lost
      using hint = 'Make a full copy if none is newer. The incremental ones expire by the retention policy, and take the place of no sound copy.';
  end if;
end
$$;
comment on function :"schema".forget_copy(bigint, text) is
  'Says that a copy which is in missing_backup is gone for good, such as with a disk: its request has expired from then on, for that reason, and check is well again. For operators. Nothing is removed from any repository; what is kept or under legal hold is refused. Warns of the incremental copies that cannot be restored without it.';
revoke all on function :"schema".forget_copy(bigint, text) from public;
grant execute on function :"schema".forget_copy(bigint, text) to :"operator";
