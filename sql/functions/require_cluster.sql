create or replace function :"schema".require_cluster(of_name text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  if not exists (select from cluster where name = of_name) then
    raise exception 'cluster "%" does not exist', of_name
      using errcode = 'foreign_key_violation',
        hint = 'Give one of these clusters: ' || (select string_agg(name, ', ' order by name) from cluster) || '.';
  end if;
end
$$;
comment on function :"schema".require_cluster(text) is 'Refuses a cluster that nobody has registered, and names those that there are.';
revoke all on function :"schema".require_cluster(text) from public;
grant execute on function :"schema".require_cluster(text) to :"reader";
