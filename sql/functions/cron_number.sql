create or replace function :"schema".cron_number(word text, field_number integer) returns integer
language plpgsql immutable
set search_path = :"schema", pg_temp
as $$
declare
  months constant text[] := array['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august',
    'september', 'october', 'november', 'december'];
  weekdays constant text[] := array['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
begin
  if word ~ '^[0-9]{1,9}$' then
    return word::integer;
  end if;
  return (
    select place - case field_number when 6 then 1 else 0 end
    from unnest(case field_number when 5 then months when 6 then weekdays else '{}' end) with ordinality known (name, place)
    where word in (name, left(name, 3)));
end
$$;
comment on function :"schema".cron_number(text, integer) is
  'The number that a word in a field of a cron expression stands for; null: none.';
revoke all on function :"schema".cron_number(text, integer) from public;
grant execute on function :"schema".cron_number(text, integer) to :"reader";
