create or replace function :"schema".raise_outcome(of_request bigint, outcome text, wanted text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  request record;
begin
  select state, error_code, error, hint, moved_by into request from backup_request where id = of_request;
  case outcome
    when 'missing' then
      raise exception 'backup request % does not exist', of_request
        using errcode = 'no_data_found', hint = 'List them with "holdfast status --all", or with SELECT id, label, state FROM backup_status.';
    when 'failed' then
      raise exception 'backup request % has failed: %', of_request, request.error
        using errcode = 'HF010', detail = 'error_code: ' || request.error_code, hint = coalesce(request.hint, '');
    when 'cancelled' then
      raise exception 'backup request % was cancelled by role "%"', of_request, request.moved_by
        using errcode = 'HF011';
    when 'timed out' then
      if request.state = 'cancelled' then
        raise exception 'timed out waiting for backup request % to be %: it is cancelled now', of_request, wanted
          using errcode = 'HF012', hint = format('Type SELECT name, alive FROM %I.worker_status; start one with "holdfast worker" where none is alive; then request it again, with more time.', current_schema());
      end if;
      raise exception 'timed out waiting for backup request % to be %: it is %', of_request, wanted, request.state
        using errcode = 'HF012', hint = format('Type SELECT waiting_for FROM %I.backup_status WHERE id = %s;', current_schema(), of_request);
    when 'interrupted' then
      raise exception 'interrupted: backup request % is %', of_request, request.state
        using errcode = 'query_canceled';
    when 'abandoned' then
      raise exception 'no worker holds backup request %, which is %', of_request, request.state
        using errcode = 'HF013', hint = 'Start a worker, which writes the outcome. Do not trust the copy until then.';
  end case;
end
$$;
comment on function :"schema".raise_outcome(bigint, text, text) is
  'Raises what became of a wait. HF010 failed, HF011 cancelled, HF012 timed out, HF013 no worker, P0002 no such request, 57014 interrupted.';
revoke all on function :"schema".raise_outcome(bigint, text, text) from public;
grant execute on function :"schema".raise_outcome(bigint, text, text) to :"reader";
