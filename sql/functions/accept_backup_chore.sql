create or replace function :"schema".accept_backup_chore() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  waiting integer;
  limit_of_waiting integer := (select max_requested from setting);
  requester text := current_user;
begin
  if new.state is distinct from 'requested' or new.attempts <> 0
    or num_nonnulls(new.started_at, new.next_attempt_at, new.finished_at, new.worker, new.instance, new.result,
      new.error_code, new.error, new.hint) > 0
  then
    raise exception 'a chore begins in state requested, with none of the columns that the worker writes'
      using errcode = 'HF001', hint = 'Give only cluster, kind, request_id, backup, options.';
  end if;

  if new.schedule is not null then
    -- Only request_scheduled() can say so. The worker that calls it is nobody's requester.
    requester := schedule_owner(new.schedule);
  end if;
  perform require_cluster(new.cluster);

  if new.request_id is not null then
    if not exists (
      select from backup_request
      where id = new.request_id and cluster = new.cluster and method = 'copy' and state = 'complete')
    then
      raise exception 'backup request % is not a complete backup of cluster "%" with method copy', new.request_id, new.cluster
        using errcode = 'invalid_parameter_value',
          hint = 'Name a backup that is in the repository, or leave request_id and backup out for the newest one.';
    end if;
  end if;

  select count(*) into waiting
  from (
    select from backup_chore
    where state in ('requested', 'running', 'retrying') and cluster = new.cluster and kind = new.kind
    limit limit_of_waiting
  ) them;
  if waiting >= limit_of_waiting then
    raise exception '% chores of kind % wait for cluster "%" already', waiting, new.kind, new.cluster
      using errcode = 'configuration_limit_exceeded',
        hint = 'Wait until some of the chores have run. The limit is setting.max_requested.';
  end if;

  new.requested_by := requester;
  new.requested_login := session_user;
  new.requested_at := clock_timestamp();
  new.automatic := new.schedule is null and (worker_here()).id is not null;

  if current_setting('server_version_num')::integer < 130000 then
    new.state := 'failed';
    new.finished_at := clock_timestamp();
    new.error_code := 'chores_unavailable';
    new.error := 'chores do not run here: their queue needs a control database on PostgreSQL 13 or newer';
    new.hint := 'Upgrade this server, or type holdfast sync, holdfast verify, holdfast drill or holdfast expire: all else works.';
    return new;
  end if;
  if not origin_is_confirmed() then
    raise warning 'the chore waits: this control database is a restored copy or a promoted standby of another'
      using hint = 'Run "holdfast adopt" if this control database is in charge from now on: the command says what follows.';
  end if;
  if not exists (
    select from worker
    where new.cluster = any (clusters) and not draining and worker_lock_is_held(lock_key, pid)
  ) then
    raise warning 'no live worker serves cluster "%"', new.cluster
      using hint = 'Start a worker with "holdfast worker": the chore waits until one serves the cluster.';
  end if;
  return new;
end
$$;
comment on function :"schema".accept_backup_chore() is
  'Checks and stamps a new chore. Runs with the rights of whoever inserts; a schedule''s chore is its owner''s.';
revoke all on function :"schema".accept_backup_chore() from public;
