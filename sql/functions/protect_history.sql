create or replace function :"schema".protect_history() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('holdfast.pruning', true) = 'on' then
    return old;
  end if;
  raise exception '% of "%" is refused: it is a history', tg_op, tg_table_name
    using errcode = 'HF001',
      hint = format('Remove old requests with: SELECT %I.prune(interval ''1 year'');', tg_table_schema);
end
$$;
comment on function :"schema".protect_history() is 'Refuses to rewrite history; prune() is the only way to shorten it.';
revoke all on function :"schema".protect_history() from public;
