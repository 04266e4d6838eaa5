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
    raise exception 'role "%", which owns schedule "%", is no longer an operator', found_owner, of_name
      using errcode = 'insufficient_privilege',
        hint = 'Grant that role the role of operators, or have an operator change the schedule: the operator owns the schedule from then on.';
  end if;
  return found_owner;
end
$$;
comment on function :"schema".schedule_owner(text) is
  'In whose name a schedule requests; refuses an owner who is no longer an operator.';
revoke all on function :"schema".schedule_owner(text) from public;
