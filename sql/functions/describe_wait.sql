create or replace function :"schema".describe_wait(of_request bigint, what text) returns void
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
begin
  -- Whoever claims or cancels it ends its stages. Whoever has the row locked holds up nobody.
  perform from backup_request where id = of_request and state = 'requested' for no key update skip locked;
  if not found then
    return;
  elsif what is null then
    delete from backup_stage where request_id = of_request and stage = 'connect';
  else
    insert into backup_stage as g (request_id, stage, state, detail)
    values (of_request, 'connect', 'running', what)
    on conflict (request_id, stage) do update set detail = excluded.detail
    where g.detail is distinct from excluded.detail;
  end if;
end
$$;
comment on function :"schema".describe_wait(bigint, text) is
  'Notes what a worker waits for that is about to take a request, as its stage connect; with null, it waits no longer.';
revoke all on function :"schema".describe_wait(bigint, text) from public;
grant execute on function :"schema".describe_wait(bigint, text) to :"worker";
