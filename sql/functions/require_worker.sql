create or replace function :"schema".require_worker() returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  me worker := worker_here();
begin
  if me.id is null then
    raise exception 'only a worker may do this' using errcode = 'insufficient_privilege';
  end if;
end
$$;
comment on function :"schema".require_worker() is 'Refuses whoever does not hold a worker''s lock, superuser or not.';
revoke all on function :"schema".require_worker() from public;
grant execute on function :"schema".require_worker() to :"reader";
