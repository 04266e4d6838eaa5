create or replace function :"schema".this_database() returns oid
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
begin
  return (select oid from pg_database where datname = current_database());
end
$$;
comment on function :"schema".this_database() is 'The OID of the database connected to: advisory locks belong to one.';
revoke all on function :"schema".this_database() from public;
grant execute on function :"schema".this_database() to :"reader";
