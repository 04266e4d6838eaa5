create or replace function :"schema".guard_backup_chore() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  me worker := worker_here();
  moves constant text[] := case when me.id is null
    then array['requested failed', 'retrying failed']
    else array['requested running', 'retrying running', 'requested failed', 'retrying failed',
      'running complete', 'running failed', 'running retrying'] end;
  may_change constant text[] := case when me.id is null
    then array['state']
    else array['state', 'attempts', 'started_at', 'next_attempt_at', 'worker', 'instance', 'result', 'error_code',
      'error', 'hint'] end;
  changed text[] := array(
    select n.key from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
    where n.value is distinct from o.value);
begin
  if new.state is distinct from old.state and old.state || ' ' || new.state <> all (moves) then
    raise exception 'chore % cannot move from % to %', old.id, old.state, new.state
      using errcode = 'HF001', hint = 'Fail the chore, as an operator, while it is requested or retrying: only a worker makes the other moves.';
  end if;
  if old.state in ('complete', 'failed') and cardinality(changed) > 0 or not changed <@ may_change then
    raise exception 'chore % cannot be changed: %', old.id, array_to_string(changed, ', ')
      using errcode = 'HF001';
  end if;
  if old.state = 'running' and old.instance is distinct from me.instance and worker_is_alive(old.instance) then
    raise exception 'chore % is run by another worker, which is alive', old.id
      using errcode = 'insufficient_privilege';
  end if;
  if new.state = old.state then
    return new;
  end if;
  if me.id is null then
    new.next_attempt_at := null;
    new.error_code := 'given_up';
    new.error := format('role "%s" gave the chore up', current_user);
    new.hint := 'Request the chore again, if it is still wanted.' || coalesce(' It last failed with: ' || old.error, '');
  end if;
  new.finished_at := case when new.state in ('complete', 'failed') then clock_timestamp() end;
  return new;
end
$$;
comment on function :"schema".guard_backup_chore() is
  'Refuses every move of a chore that is not the mover''s to make. Runs with the rights of whoever updates.';
revoke all on function :"schema".guard_backup_chore() from public;
