create or replace function :"schema".accept_backup_request() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  waiting integer;
  limit_of_waiting integer := (select max_requested from setting);
  last_worker record;
  requester text := current_user;
begin
  if new.state is distinct from 'requested'
    or num_nonnulls(new.worker, new.pid, new.backend_start, new.started_at, new.start_lsn, new.start_wal,
      new.timeline, new.system_identifier, new.server_version, new.done_at, new.stopped_at, new.stop_lsn,
      new.stop_wal, new.archived_at, new.finished_at, new.backup_label, new.tablespace_map, new.error_code,
      new.error, new.hint, new.archive_seen, new.parent, new.incremental_from) > 0 or new.warnings <> '{}'
  then
    raise exception 'a backup request begins in state requested, with none of the columns that the worker writes'
      using errcode = 'HF001', hint = 'Give only cluster, label, method, command, fast, wait_for_archive, hold_timeout, keep, annotations, rate_limit, compress_level, incremental.';
  end if;

  -- Constraints of the table say so as well, but not what to give instead.
  if new.method not in ('hold', 'command', 'copy') then
    raise exception 'method "%" is not known', new.method
      using errcode = 'check_violation', constraint = 'method_is_known',
        hint = 'Give ''hold'' where you copy the files, or ''copy'' where Holdfast copies them.';
  elsif new.method <> 'copy' and (num_nonnulls(new.rate_limit, new.compress_level) > 0 or new.incremental) then
    raise exception 'rate_limit, compress_level and incremental go with method copy, and this request has method "%"',
        new.method
      using errcode = 'check_violation',
        constraint = case when new.rate_limit is not null then 'rate_limit'
          when new.compress_level is not null then 'compress_level' else 'incremental' end || '_goes_with_copy',
        hint = 'Give method ''copy'' (holdfast start --method copy), or leave them out.';
  end if;

  if new.schedule is not null then
    -- Only request_scheduled() can say so. The worker that calls it is nobody's requester.
    requester := schedule_owner(new.schedule);
  end if;
  perform require_cluster(new.cluster);

  select count(*) into waiting
  from (
    select from backup_request
    where state = 'requested' and cluster = new.cluster and requested_by = requester
    limit limit_of_waiting
  ) mine;
  if waiting >= limit_of_waiting then
    raise exception 'role "%" has % backup requests waiting already', requester, waiting
      using errcode = 'configuration_limit_exceeded',
        hint = 'Wait until some of the requests have run, or cancel them. The limit is setting.max_requested.';
  end if;
  if new.schedule is null then
    -- A login that may SET ROLE has no more for that.
    select count(*) into waiting
    from (
      select from backup_request
      where state = 'requested' and cluster = new.cluster and schedule is null and requested_login = session_user
      limit limit_of_waiting
    ) mine;
    if waiting >= limit_of_waiting then
      raise exception 'login "%" has % backup requests waiting already', session_user, waiting
        using errcode = 'configuration_limit_exceeded',
          hint = 'Wait until some of the requests have run, or cancel them. The limit is setting.max_requested, for all roles of a login together.';
    end if;
  end if;

  new.requested_by := requester;
  new.requested_login := session_user;
  new.requested_at := clock_timestamp();
  new.moved_by := requester;
  new.caller_pid := case when new.caller_key is not null then pg_backend_pid() end;
  new.control_origin := control_origin();

  if not origin_is_confirmed() then
    raise warning 'the request waits: this control database is a restored copy or a promoted standby of another'
      using hint = 'Run "holdfast adopt" if this control database is in charge from now on: the command says what follows.';
  end if;
  if not exists (
    select from worker
    where new.cluster = any (clusters) and not draining and worker_lock_is_held(lock_key, pid)
  ) then
    select name, last_seen into last_worker
    from worker where new.cluster = any (clusters) order by last_seen desc limit 1;
    raise warning 'no live worker serves cluster "%"', new.cluster
      using detail = case when last_worker.name is null then 'No worker has ever been seen there.'
          else format('The last worker, "%s", was seen at %s.', last_worker.name, last_worker.last_seen::timestamptz(0)) end,
        hint = 'Start a worker with "holdfast worker": the request waits until one serves the cluster.';
  end if;
  return new;
end
$$;
comment on function :"schema".accept_backup_request() is
  'Checks and stamps a new request, but for its label (choose_label). Runs with the rights of whoever inserts; a schedule''s request is its owner''s.';
revoke all on function :"schema".accept_backup_request() from public;
