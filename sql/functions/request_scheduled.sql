create or replace function :"schema".request_scheduled(
  of_schedule :"schema".backup_schedule, due timestamptz, out request_id bigint, out chore_id bigint)
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  if of_schedule.kind = 'backup' then
    insert into backup_request (schedule, cluster, label, method, command, fast, wait_for_archive, hold_timeout, keep,
      annotations, rate_limit, compress_level, incremental)
    values (of_schedule.name, of_schedule.cluster,
      schedule_label(of_schedule, due),
      of_schedule.method, of_schedule.command, of_schedule.fast, of_schedule.wait_for_archive,
      of_schedule.hold_timeout, of_schedule.keep, of_schedule.annotations, of_schedule.rate_limit,
      of_schedule.compress_level, of_schedule.incremental and not full_copy_is_due(of_schedule, due))
    returning id into request_id;
  else
    insert into backup_chore (schedule, cluster, kind, options)
    values (of_schedule.name, of_schedule.cluster, of_schedule.kind, of_schedule.options)
    returning id into chore_id;
  end if;
end
$$;
comment on function :"schema".request_scheduled(:"schema".backup_schedule, timestamptz) is
  'Requests what a schedule says. Only for functions that run with the rights of the schema''s owner: nobody else may say that a schedule requests.';
revoke all on function :"schema".request_scheduled(:"schema".backup_schedule, timestamptz) from public;
