create or replace function :"schema".prune(older_than interval) returns bigint
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  pruned bigint[];
  quiet_from timestamptz;
  quiet_to timestamptz;
  accepted timestamptz;
begin
  if older_than is null or older_than < interval '0' then
    raise exception 'prune needs an age, such as interval ''1 year''' using errcode = 'invalid_parameter_value';
  end if;
  -- A clock that is ahead makes everything old, and leaves a time of which nothing is dated (src/retention/clock-ahead.ts).
  if current_setting('holdfast.clock_is_right', true) is distinct from 'on' then
    -- What prune() itself has removed leaves gaps before the time that it accepted then.
    select pruned_at into accepted from setting where pruned_at <= clock_timestamp() and older_than <= pruned_older_than;
    select e.at, e.next_at into quiet_from, quiet_to
    from (
      select at, coalesce(lead(at) over (order by at), clock_timestamp()) as next_at
      from (
        select at from backup_event
        union all select finished_at from backup_request
        union all select unnest(array[started_at, last_seen]) from worker
        union all select unnest(array[requested_at, finished_at]) from backup_chore
        union all select finished_at from backup_schedule_run
        union all select accepted) dated
      where at <= clock_timestamp() and at >= coalesce(accepted, '-infinity')) e
    where e.next_at > clock_timestamp() - older_than
      and e.next_at - e.at > greatest(interval '3 days', older_than / 4)
    order by e.at desc
    limit 1;
    if found then
      raise exception 'the clock may be ahead: it says %, and nothing is dated between % and %',
        to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI'), to_char(quiet_from, 'YYYY-MM-DD HH24:MI'),
        to_char(quiet_to, 'YYYY-MM-DD HH24:MI')
        using errcode = 'object_not_in_prerequisite_state',
          hint = 'set the clock right; or, where nothing was done meanwhile, type SET holdfast.clock_is_right = on before you prune';
    end if;
  end if;
  perform set_config('holdfast.pruning', 'on', true);
  with old_ones as (
    delete from backup_request
    where id in (
      select id from backup_request
      where state in ('complete', 'failed', 'cancelled')
        and finished_at < clock_timestamp() - older_than
        and not keep
        and not exists (select from legal_hold h where h.request_id = backup_request.id and not h.released)
        -- Without its request, nobody knows of a backup whether it is to be kept.
        and not (state = 'complete' and expired_at is null
          and (method = 'copy' or exists (select from retention_policy p where p.cluster = backup_request.cluster)))
        and id not in (
          select distinct on (cluster) id from backup_request
          where state = 'complete' order by cluster, finished_at desc)
      for update skip locked)   -- a requester may keep a row of his locked for as long as he likes
    returning id
  )
  select array_agg(id) into pruned from old_ones;
  delete from backup_event where request_id = any (pruned);
  delete from backup_verification where request_id = any (pruned);
  delete from backup_drill where request_id = any (pruned);
  delete from backup_schedule_run
  where finished_at < clock_timestamp() - older_than
    and id not in (select distinct on (schedule) id from backup_schedule_run order by schedule, due_at desc);
  delete from backup_chore
  where id in (
    select id from backup_chore
    where state in ('complete', 'failed') and finished_at < clock_timestamp() - older_than
      and id not in (
        select distinct on (cluster, kind) id from backup_chore
        where state in ('complete', 'failed') order by cluster, kind, finished_at desc)
    for update skip locked);
  perform set_config('holdfast.pruning', '', true);
  update setting set pruned_at = clock_timestamp(), pruned_older_than = older_than
  where (pruned_older_than is null or pruned_older_than <= older_than or pruned_at > clock_timestamp())
    and only_row in (select only_row from setting for update skip locked);   -- not while another prune() is
  return coalesce(cardinality(pruned), 0);
end
$$;
comment on function :"schema".prune(interval) is
  'Removes the requests that ended longer ago than that, with their events, and returns how many; and the runs of schedules and the chores that did, but the latest of each schedule and kind. Removes nothing where the clock may be ahead, since nothing is dated for a quarter of that age (not since prune last ran with that age or a longer one, where it did): SET holdfast.clock_is_right = on says that it is right. Never removes a request to keep or under legal hold, nor one whose backup is in a repository or to expire by a policy, nor a cluster''s newest complete one.';
revoke all on function :"schema".prune(interval) from public;
grant execute on function :"schema".prune(interval) to :"operator";
