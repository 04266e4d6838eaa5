create or replace function :"schema".require_ownership(of_request bigint, its_owner text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  operator constant text := current_schema() || '_operator';
begin
  if its_owner <> current_user and not pg_has_role(current_user, operator, 'usage') then
    raise exception 'backup request % belongs to role "%"', of_request, its_owner
      using errcode = 'insufficient_privilege',
        hint = format('Do this as that role, or as a member of %s.', operator);
  end if;
end
$$;
comment on function :"schema".require_ownership(bigint, text) is
  'Refuses whoever is neither the requester nor an operator. The row policy would hide the row from their UPDATE, without a word.';
revoke all on function :"schema".require_ownership(bigint, text) from public;
grant execute on function :"schema".require_ownership(bigint, text) to :"reader";
