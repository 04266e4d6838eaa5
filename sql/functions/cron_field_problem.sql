create or replace function :"schema".cron_field_problem(field text, field_number integer) returns text
language plpgsql immutable
set search_path = :"schema", pg_temp
as $$
declare
  name constant text := (array['second', 'minute', 'hour', 'day of month', 'month', 'weekday'])[field_number];
  lowest constant integer := (array[0, 0, 0, 1, 1, 0])[field_number];
  highest constant integer := (array[59, 59, 23, 31, 12, 7])[field_number];
  size constant integer := (array[60, 60, 24, 31, 12, 7])[field_number];
  token text;
  part text[];
  word text;
begin
  if field = '?' and field_number in (4, 6) then
    return null;
  end if;
  foreach token in array regexp_split_to_array(field, ',') loop
    if token = '' then
      return format('%s: there is nothing before or after a comma in "%s"', name, field);
    elsif field_number = 4 and token ~ '^(l|lw|l-(0?[1-9]|[12][0-9]|30)|(0?[1-9]|[12][0-9]|3[01])w)$' then
      continue;   -- the last day, the nth before it, the working day nearest to the nth
    elsif field_number = 6 and cron_number(substring(token from '^([a-z]+|[0-7])(?:l|#[1-5])$'), 6) is not null then
      continue;   -- the last, or the nth, of that weekday in the month
    end if;

    part := regexp_match(token, '^(\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?$');
    if part is null then
      return format('%s: "%s" cannot be read', name, token);
    end if;
    foreach word in array array_remove(array[part[2], part[3]], null) loop
      if cron_number(word, field_number) is null then
        return format('%s: "%s" is neither a number nor a name', name, word);
      elsif cron_number(word, field_number) not between lowest and highest then
        return format('%s: %s is not between %s and %s', name, word, lowest, highest);
      end if;
    end loop;
    if part[4] is not null and part[2] is not null and part[3] is null then
      return format('%s: a step needs a range or an asterisk before it, not "%s"', name, part[1]);
    elsif part[4] is not null and (length(part[4]) > 9 or part[4]::integer not between 1 and size) then
      return format('%s: a step is between 1 and %s, not %s', name, size, part[4]);
    end if;
  end loop;
  return null;
end
$$;
comment on function :"schema".cron_field_problem(text, integer) is
  'What is wrong with a field of a cron expression, in lower case; null: nothing.';
revoke all on function :"schema".cron_field_problem(text, integer) from public;
grant execute on function :"schema".cron_field_problem(text, integer) to :"reader";
