create or replace function :"schema".schedule_owner(of_name text) returns text
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
declare
  found_owner constant text := (select owner from backup_schedule where name = of_name);
begin
  if found_owner is null then
    raise exception 'schedule "%" does not exist', of_name using errcode = 'HF001';
  elsif not pg_has_role(found_owner, current_schema() || '_operator', 'usage') then
    raise exception 'role "%", which owns schedule "%", is no operator any more', found_owner, of_name
      using errcode = 'insufficient_privilege',
        hint = 'Grant it the role of operators, or have an operator change the schedule: it is his then.';
  end if;
  return found_owner;
end
$$;
comment on function :"schema".schedule_owner(text) is
  'In whose name a schedule requests; refuses one who is no operator any more.';
revoke all on function :"schema".schedule_owner(text) from public;
