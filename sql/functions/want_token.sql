create or replace function :"schema".want_token(of_cluster text) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  if not exists (
    select from worker w
    where of_cluster = any (w.clusters) and w.pid <> pg_backend_pid() and worker_lock_is_held(w.lock_key, w.pid))
  then
    return false;
  end if;
  -- A worker that is in charge of the repository renews the token every 60 to 90 seconds.
  update cluster
  set repository_wanted_at = clock_timestamp()
  where name = of_cluster and repository_used_at > clock_timestamp() - interval '2 min';
  if not found then
    return false;
  end if;
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(current_schema() || '_request', json_build_object('cluster', of_cluster, 'wanted', true)::text);
  end if;
  return true;
end
$$;
comment on function :"schema".want_token(text) is
  'Has another session''s worker, which is in charge of the cluster''s repository, renew the token there: a copy of the repository has an older one from then on. Returns false where no such worker lives.';
revoke all on function :"schema".want_token(text) from public;
grant execute on function :"schema".want_token(text) to :"worker";
