create or replace function :"schema".require_operator(deed text) returns text
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
declare
  -- Its callers run as their owner: who calls them is in the setting that SET ROLE writes.
  who constant text := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
  if not (pg_has_role(who, current_schema() || '_operator', 'usage') or pg_has_role(who, current_user, 'usage')) then
    raise exception 'role "%" may not %', who, deed
      using errcode = 'insufficient_privilege', hint = format('Type as a superuser: GRANT %I TO %I;', current_schema() || '_operator', who);
  end if;
  return who;
end
$$;
comment on function :"schema".require_operator(text) is
  'Refuses whoever is not an operator, in a function that runs with its owner''s rights; returns the role that calls it.';
revoke all on function :"schema".require_operator(text) from public;
