create or replace function :"schema".cron_field_values(field text, field_number integer) returns integer[]
language plpgsql immutable
set search_path = :"schema", pg_temp
as $$
declare
  lowest constant integer := (array[0, 0, 0, 1, 1, 0])[field_number];
  highest constant integer := (array[59, 59, 23, 31, 12, 6])[field_number];
  token text;
  part text[];
  first integer;
  last integer;
  found integer[] := '{}';
begin
  foreach token in array string_to_array(field, ',') loop
    part := regexp_match(token, '^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]+))?$');
    first := case part[1] when '*' then lowest else cron_number(part[1], field_number) end;
    last := case when part[1] = '*' then highest when part[2] is null then first
      else cron_number(part[2], field_number) end;
    if last < first then   -- such as 22-4: over the end of the day
      last := last + highest - lowest + 1;
    end if;
    found := found || array(
      select lowest + (n - lowest) % (highest - lowest + 1) from generate_series(first, last, coalesce(part[3], '1')::integer) n);
  end loop;
  return found;
end
$$;
comment on function :"schema".cron_field_values(text, integer) is
  'The numbers that a valid field of a cron expression stands for: 1 second, 2 minute, 3 hour, 4 day of month, 5 month, 6 weekday.';
revoke all on function :"schema".cron_field_values(text, integer) from public;
grant execute on function :"schema".cron_field_values(text, integer) to :"reader";
