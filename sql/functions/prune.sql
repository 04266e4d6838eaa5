create or replace function :"schema".prune(older_than interval) returns bigint
language plpgsql
security definer
set search_path = :"schema", pg_temp
as $$
declare
  pruned bigint[];
begin
  if older_than is null or older_than < interval '0' then
    raise exception 'prune needs an age, such as interval ''1 year''' using errcode = 'invalid_parameter_value';
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
  perform set_config('holdfast.pruning', '', true);
  return coalesce(cardinality(pruned), 0);
end
$$;
comment on function :"schema".prune(interval) is
  'Removes the requests that ended longer ago than that, with their events, and returns how many. Never removes one to keep or under legal hold, nor one whose backup is in a repository or to expire by a policy, nor a cluster''s newest complete one.';
revoke all on function :"schema".prune(interval) from public;
grant execute on function :"schema".prune(interval) to :"operator";
