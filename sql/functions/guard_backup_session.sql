create or replace function :"schema".guard_backup_session() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  me worker := worker_here();
begin
  if me.instance is distinct from new.instance then
    raise exception 'a worker writes its own backup sessions only'
      using errcode = 'insufficient_privilege', hint = 'Write in the session in which the worker holds its lock.';
  end if;
  perform refuse_foreign_worker(new.request_id, me.instance);
  return new;
end
$$;
comment on function :"schema".guard_backup_session() is
  'Refuses a worker that would make itself the holder of a request which another living worker holds.';
revoke all on function :"schema".guard_backup_session() from public;
