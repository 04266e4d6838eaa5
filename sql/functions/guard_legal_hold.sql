create or replace function :"schema".guard_legal_hold() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
set lock_timeout = '2s'
as $$
declare
  whoever constant text := case when current_setting('role') = 'none' then session_user else current_setting('role') end;
  found_state text;
begin
  if tg_op = 'UPDATE' then
    if old.released and new is distinct from old then
      raise exception 'legal hold % has been released, and stays so', old.id
        using errcode = 'HF001', hint = 'Place another legal hold.';
    end if;
    if (new.id, new.request_id, new.reason) is distinct from (old.id, old.request_id, old.reason) then
      raise exception 'legal hold % cannot be changed, only released', old.id
        using errcode = 'HF001', hint = 'Place another legal hold, then release this one.';
    end if;
    if new.released and not old.released then
      new.released_by := whoever;
      new.released_login := session_user;
      new.released_at := clock_timestamp();
    end if;
    return new;
  end if;

  -- The same row that begin_expiry() locks and writes: either it sees this hold, or this sees what it has begun, or
  -- fails as its snapshot is older.
  begin
    select state into found_state from backup_request where id = new.request_id for key share;
  exception when lock_not_available then
    raise exception 'backup request % is kept locked by another session', new.request_id
      using errcode = 'lock_not_available',
        hint = 'End that session (pg_locks, pg_stat_activity), or try again: nothing expires meanwhile.';
  end;
  if found_state is null then
    raise exception 'backup request % does not exist', new.request_id using errcode = 'foreign_key_violation';
  end if;
  if exists (select from backup_expiry where request_id = new.request_id) then
    raise exception 'backup request % has expired: its files are gone, or going', new.request_id
      using errcode = 'HF001', hint = format('Type SELECT * FROM %I.backup_expiry WHERE request_id = %s;', tg_table_schema, new.request_id);
  end if;
  new.released := false;
  -- Only recall_hold() has the right to write these.
  if num_nulls(new.placed_by, new.placed_login, new.placed_at) = 0 then
    return new;
  end if;
  new.placed_by := whoever;
  new.placed_login := session_user;
  new.placed_at := clock_timestamp();
  return new;
end
$$;
comment on function :"schema".guard_legal_hold() is
  'Stamps a legal hold, refuses one on a backup that has expired, and lets a hold be released once and not be changed. Runs with its owner''s rights, to lock the request.';
revoke all on function :"schema".guard_legal_hold() from public;
