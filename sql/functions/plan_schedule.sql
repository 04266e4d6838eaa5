create or replace function :"schema".plan_schedule(
  of_name text, of_revision bigint, following timestamptz, why_not text) returns boolean
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  perform require_worker();
  if not origin_is_confirmed() then
    return false;
  end if;
  update backup_schedule
  set next_run = following, problem = why_not
  where name = (
    select name from backup_schedule
    where name = of_name and revision = of_revision and enabled and next_run is null
      and (following > planned_after or why_not is distinct from problem)
    for update skip locked);
  return found;
end
$$;
comment on function :"schema".plan_schedule(text, bigint, timestamptz, text) is
  'Notes when a schedule is due next, or why that cannot be said, unless it has changed meanwhile. For workers.';
revoke all on function :"schema".plan_schedule(text, bigint, timestamptz, text) from public;
grant execute on function :"schema".plan_schedule(text, bigint, timestamptz, text) to :"worker";
