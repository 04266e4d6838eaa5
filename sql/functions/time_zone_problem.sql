create or replace function :"schema".time_zone_problem(zone text) returns text
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
declare
  known text;
begin
  if zone !~ '^(posix|right)/|^(Factory|localtime|posixrules)$' then
    select name into known from pg_timezone_names where lower(name) = lower(zone) order by name = zone desc limit 1;
  end if;
  if known = zone then
    return null;
  elsif known is not null then
    return format('it is written %s', known);
  elsif exists (select from pg_timezone_abbrevs where lower(abbrev) = lower(zone)) then
    return 'an abbreviation has no daylight saving time: name a place, such as Europe/Berlin';
  end if;
  return 'this server does not know it: see pg_timezone_names';
end
$$;
comment on function :"schema".time_zone_problem(text) is
  'What is wrong with the name of a time zone, in lower case; null: nothing.';
revoke all on function :"schema".time_zone_problem(text) from public;
grant execute on function :"schema".time_zone_problem(text) to :"reader";
