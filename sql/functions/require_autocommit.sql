-- A procedure that commits can carry no search_path of its own, so the schema is written into it.
select replace($sql$
create or replace procedure @schema@.require_autocommit(procedure_name text)
language plpgsql
as $procedure$
declare
  why_no_commit text;
  why_no_rollback text;
begin
  -- Both always fail inside an exception block. In a transaction block they fail for that reason, which
  -- reads the same for both; otherwise for the subtransaction, which reads differently in any language.
  begin
    commit;
  exception when invalid_transaction_termination then
    get stacked diagnostics why_no_commit = message_text;
  end;
  begin
    rollback;
  exception when invalid_transaction_termination then
    get stacked diagnostics why_no_rollback = message_text;
  end;
  if why_no_commit = why_no_rollback then
    raise exception '% cannot run inside a transaction block', procedure_name
      using errcode = 'active_sql_transaction',
        detail = 'It commits while it waits. A driver without autocommit, several statements in one psql -c, and a function that calls it are transaction blocks too.',
        hint = 'Use autocommit; or INSERT INTO backup_request, commit, and poll its state.';
  end if;
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".require_autocommit(text) is
  'Raises, before anything is done, where the calling procedure could not commit.';
revoke all on procedure :"schema".require_autocommit(text) from public;
grant execute on procedure :"schema".require_autocommit(text) to :"reader";
