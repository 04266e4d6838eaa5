create or replace function :"schema".origin_is_confirmed() returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  -- A standby starts nothing, and does not know its timeline.
  return pg_is_in_recovery() or exists (
    select from confirmed_origin c
    where c.origin = control_origin()
      and coalesce(c.left_recovery_at = left_recovery_at(), true));
end
$$;
comment on function :"schema".origin_is_confirmed() is
  'Whether this database is the control database that somebody put in charge, by installing it or by adopt(). False: it is a restored copy or a promoted standby, where nothing starts and nothing is removed until somebody does.';
revoke all on function :"schema".origin_is_confirmed() from public;
grant execute on function :"schema".origin_is_confirmed() to :"reader";
