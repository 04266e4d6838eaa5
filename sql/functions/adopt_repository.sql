create or replace function :"schema".adopt_repository(of_cluster text, its_id uuid) returns void
language plpgsql volatile
security definer
set search_path = :"schema", pg_temp
as $$
begin
  perform require_operator('adopt a repository');
  if its_id is null then
    raise exception 'adopt_repository needs the id of a repository'
      using errcode = 'invalid_parameter_value', hint = 'Take it from the owner.json in the directory of the cluster.';
  end if;
  perform require_cluster(of_cluster);
  -- What is under way with the one before fails: its token is no longer known.
  update cluster
  set repository_id = its_id, repository_token = null, repository_pending = '{}', repository_taken_over = true,
    repository_used_at = null
  where name = of_cluster;
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(current_schema() || '_request', json_build_object('adopted', control_origin())::text);
  end if;
end
$$;
comment on function :"schema".adopt_repository(text, uuid) is
  'Gives a cluster the repository of that id (see its owner.json), whichever it had and whoever has used that one: the next worker takes it over. For operators. It puts nothing in charge: see adopt().';
revoke all on function :"schema".adopt_repository(text, uuid) from public;
grant execute on function :"schema".adopt_repository(text, uuid) to :"operator";
