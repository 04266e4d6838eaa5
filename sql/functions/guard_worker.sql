create or replace function :"schema".guard_worker() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  if new.instance <> old.instance and worker_lock_is_held(old.lock_key, old.pid) then
    raise exception 'a worker named "%" is alive', old.name
      using errcode = 'object_in_use', hint = 'Give each worker a name of its own.';
  end if;
  return new;
end
$$;
comment on function :"schema".guard_worker() is
  'Refuses a worker that would take a living one''s name, also when two register it at the same moment.';
revoke all on function :"schema".guard_worker() from public;
