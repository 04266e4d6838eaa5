create or replace function :"schema".label_key(of_cluster text, label text) returns bigint
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
begin
  return hashtextextended(current_schema() || '/' || of_cluster || '/' || label, 0);
end
$$;
comment on function :"schema".label_key(text, text) is
  'The advisory lock that a transaction holds while it requests that label. Anybody can compute it: see requester_holds.';
revoke all on function :"schema".label_key(text, text) from public;
grant execute on function :"schema".label_key(text, text) to :"requester";
