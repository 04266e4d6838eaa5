create or replace function :"schema".cron_problem(expression text) returns text
language plpgsql immutable
set search_path = :"schema", pg_temp
as $$
declare
  nicknames constant text[] := array['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
  lengths constant integer[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  resolved text;
  fields text[];
  problem text;
  days text;
begin
  if expression is null or octet_length(expression) > 200 then
    return 'it has 1 to 200 bytes';
  end if;
  resolved := lower(btrim(expression, ' ') collate "C");
  if resolved = any (nicknames) then
    return null;
  elsif resolved like '@%' then
    return format('the nicknames are %s', array_to_string(nicknames, ', '));
  elsif resolved ~ '[^a-z0-9*/,#? -]' collate "C" then
    return format('the character "%s" has no meaning', substring(resolved from '[^a-z0-9*/,#? -]' collate "C"));
  end if;

  fields := regexp_split_to_array(resolved, ' +');
  if cardinality(fields) not in (5, 6) then
    return format('it has %s, not 5 (minute, hour, day of month, month, weekday), nor 6 with seconds before them',
      case when resolved = '' then 'no fields' when cardinality(fields) = 1 then '1 field'
        else cardinality(fields) || ' fields' end);
  elsif cardinality(fields) = 5 then
    fields := array_prepend('0', fields);
  end if;
  for number in 1..6 loop
    problem := cron_field_problem(fields[number], number);
    if problem is not null then
      return problem;
    end if;
  end loop;

  -- The earliest day that each can be: l-3 needs a month of four days.
  select string_agg(case when token ~ '^(l|lw|\?)$' then '1' when token like 'l-%' then (substr(token, 3)::integer + 1)::text
    else rtrim(token, 'w') end, ',') into days
  from unnest(string_to_array(fields[4], ',')) token;
  if not exists (
    select from unnest(cron_field_values(days, 4)) day, unnest(cron_field_values(fields[5], 5)) month
    where day <= lengths[month]
  ) then
    return format('there is no day %s in month %s', upper(fields[4]), upper(fields[5]));
  end if;
  return null;
end
$$;
comment on function :"schema".cron_problem(text) is
  'What is wrong with a cron expression, in lower case; null: nothing.';
revoke all on function :"schema".cron_problem(text) from public;
grant execute on function :"schema".cron_problem(text) to :"reader";
