create or replace function :"schema".scheduled_work(
  of_request bigint, of_chore bigint, out state text, out finished_at timestamptz, out error_code text, out error text)
language plpgsql stable
set search_path = :"schema", pg_temp
as $$
begin
  if of_request is not null then
    select r.state, r.finished_at, r.error_code, r.error into state, finished_at, error_code, error
    from backup_request r where r.id = of_request;
  elsif of_chore is not null then
    select c.state, c.finished_at, c.error_code, c.error into state, finished_at, error_code, error
    from backup_chore c where c.id = of_chore;
  end if;
end
$$;
comment on function :"schema".scheduled_work(bigint, bigint) is
  'What has become of the request or the chore of a run; all null: it is gone.';
revoke all on function :"schema".scheduled_work(bigint, bigint) from public;
grant execute on function :"schema".scheduled_work(bigint, bigint) to :"reader";
