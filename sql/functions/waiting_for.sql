create or replace function :"schema".waiting_for(of_request bigint) returns text
language sql volatile
set search_path = :"schema", pg_temp
as $$
  select coalesce(case when r.state = 'archiving' and not worker_is_alive(s.instance)
    then 'a worker: none alive watches its WAL being archived'
    when r.state = 'requested' and not origin_is_confirmed()
    then 'somebody to say that this control database is in charge: "holdfast adopt"'
    when r.state = 'requested' and not exists (
      select from worker w
      where r.cluster = any (w.clusters) and not w.draining and worker_lock_is_held(w.lock_key, w.pid))
    then 'a worker: none alive serves this cluster' end, g.detail, case r.state
    when 'requested' then case when r.method = 'copy' and exists (
        select from backup_request other
        where other.cluster = r.cluster and other.method = 'copy'
          and (other.requested_by = r.requested_by or other.requested_login = r.requested_login
            and other.schedule is null and r.schedule is null)
          and other.state in ('starting', 'running', 'done'))
      then 'another copy of its requester to end, or a worker to have a session free'
      else 'a worker to have a session free' end || coalesce(', held by ' || (
      select string_agg(format('%s (%s)', h.requested_by, h.held), ', ' order by h.held desc, h.requested_by)
      from (
        select o.requested_by, count(*) as held from backup_request o
        where o.state in ('starting', 'running', 'done') group by o.requested_by
        order by held desc, o.requested_by limit 5) h), '')
    when 'starting' then 'the checkpoint'
    when 'running' then case r.method when 'hold' then 'the client to finish'
      when 'copy' then 'the files to be copied' else r.method end
    when 'done' then 'pg_backup_stop'
    when 'archiving' then 'its WAL to be archived'
  end)
  from backup_request r
  left join backup_session s on s.request_id = r.id
  left join backup_stage g on g.request_id = r.id and g.state = 'running'
  where r.id = of_request
$$;
comment on function :"schema".waiting_for(bigint) is 'What a request that is not over waits for, in words.';
revoke all on function :"schema".waiting_for(bigint) from public;
grant execute on function :"schema".waiting_for(bigint) to :"reader";
