create or replace function :"schema".guard_backup_request() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  me worker := worker_here();
  this_moment timestamptz := clock_timestamp();
  movers text[];
  may_change text[];
  session text;
  changed text[] := array(
    select n.key from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
    where n.value is distinct from o.value);
begin
  -- Only end_expiry() has the right to write this column, and only what backup_expiry says.
  if changed = array['expired_at'] and exists (
    select from backup_expiry
    where request_id = new.id and removed_at = new.expired_at and start_lsn = new.start_lsn)
  then
    return new;
  end if;
  -- Only recall_hold() has the right to write this one, and only says again what was said before: by a clock that was
  -- ahead, in what is the future now.
  if changed @> array['keep', 'keep_changed_at'] and changed <@ array['keep', 'keep_changed_at'] and new.keep
    and not exists (select from backup_expiry where request_id = new.id)
  then
    return new;
  end if;
  -- begin_expiry() writes it as it is.
  if changed = '{}' and exists (select from backup_expiry where request_id = new.id) then
    return new;
  end if;

  -- 1. Who is this? A worker is who holds a worker's lock, and holds this request or takes it over.
  if me.id is not null then
    movers := array['worker'];
    may_change := array['state', 'worker', 'pid', 'backend_start', 'start_lsn', 'start_wal', 'timeline',
      'system_identifier', 'server_version', 'stop_lsn', 'stop_wal', 'backup_label', 'tablespace_map',
      'error_code', 'error', 'hint', 'warnings', 'archive_seen', 'parent', 'incremental_from'];
    perform refuse_foreign_worker(old.id, me.instance);
  else
    movers := array['client'];
    may_change := array['state', 'keep', 'annotations'] || case when new.caller_key is null then array['caller_key'] end;
    perform require_ownership(old.id, old.requested_by);
    if pg_has_role(current_user, tg_table_schema || '_operator', 'usage') then
      movers := movers || array['operator'];
    end if;
  end if;

  -- 2. What may it change?
  if old.state in ('complete', 'failed', 'cancelled') then
    may_change := array['keep', 'annotations'];
  end if;
  if new.state is distinct from old.state and not exists (
    select from state_transition t
    where t.from_state = old.state and t.to_state = new.state and t.mover = any (movers)
  ) then
    raise exception 'backup request % cannot move from % to %', old.id, old.state, coalesce(new.state, 'null')
      using errcode = 'HF001', detail = explain_state(old.state, movers);
  end if;
  if not changed <@ may_change then
    raise exception 'column % of backup request % cannot be changed',
        (select string_agg(format('"%s"', c), ', ' order by c) from unnest(changed) c where c <> all (may_change)), old.id
      using errcode = 'HF001', detail = explain_state(old.state, movers);
  end if;
  if new.parent is not null and new.parent is distinct from old.parent then
    -- The same row that begin_expiry() locks: either it sees this child, or this sees what it has begun. Whoever else
    -- keeps that row locked holds up nobody: the worker has the files of the parent locked as well.
    perform from backup_request where id = new.parent for key share skip locked;
    if exists (select from backup_expiry where request_id = new.parent and start_lsn = new.incremental_from) then
      raise exception 'backup request %, from which backup request % would be made, has expired', new.parent, new.id
        using errcode = 'HF001', hint = 'Take a full copy.';
    end if;
  end if;
  if new.keep and not old.keep and exists (select from backup_expiry where request_id = new.id) then
    raise exception 'backup request % has expired: its files are gone, or going', old.id
      using errcode = 'HF001', hint = format('Type SELECT * FROM %I.backup_expiry WHERE request_id = %s;', tg_table_schema, old.id);
  end if;
  if new.keep <> old.keep then
    -- Later than what was said before, whatever the clock was then: what lies beside the backup is over by it.
    new.keep_changed_at := greatest(this_moment,
      greatest(old.keep_changed_at, old.requested_at) + interval '1 microsecond');
  end if;
  if new.state = old.state then
    return new;
  end if;

  -- 3. A finish needs a method that leaves it to the client, and a session that is still there.
  if new.state = 'done' and me.id is null then
    session := session_state(old.id);
    if old.method <> 'hold' then
      raise exception 'backup request % finishes by itself: its method is %', old.id, old.method
        using errcode = 'HF001', hint = 'Wait until the backup is complete, or cancel the request.';
    elsif session = 'gone' then
      new.state := 'failed';
      new.error_code := 'session_lost';
      new.error := 'the backup session was gone when the client finished';
      new.hint := 'Throw the copy away and start again: it is not a backup.';
      raise warning 'backup request % has failed: its backup session is gone', old.id
        using hint = 'Throw the copy away and start again: it is not a backup.';
    elsif session = 'orphaned' then
      raise warning 'no worker holds backup request % at the moment', old.id
        using hint = 'Wait until a worker is back and has written the outcome, before you trust the copy.';
    end if;
  elsif new.state = 'failed' and me.id is null then
    new.error_code := 'given_up';
    new.error := format('role "%s" gave the backup up while its WAL was not archived', current_user);
    new.hint := 'Restore the backup only where you have the WAL from start_wal to stop_wal: the label is good.';
  end if;

  -- 4. Stamp.
  new.moved_by := current_user;
  case new.state
    when 'running' then new.started_at := this_moment;
    when 'done' then new.done_at := this_moment;
    when 'archiving' then new.stopped_at := this_moment;
    when 'complete' then
      new.finished_at := this_moment;
      if new.wait_for_archive then
        new.archived_at := this_moment;
      end if;
    when 'failed', 'cancelled' then new.finished_at := this_moment;
    else null;
  end case;
  return new;
end
$$;
comment on function :"schema".guard_backup_request() is
  'Refuses every move that is not in state_transition or not the mover''s to make, and every change to a column that is not his. Runs with the rights of whoever updates.';
revoke all on function :"schema".guard_backup_request() from public;
