create or replace function :"schema".active_request(of_id bigint, of_label text, of_cluster text) returns bigint
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  found_one record;
  last_one record;
  meant record;
  under_way text;
begin
  if (of_id is null) = (of_label is null) then
    raise exception 'give either the id or the label of a backup request'
      using errcode = 'invalid_parameter_value', hint = 'Give one of them, for example id => 12, or label => ''nightly''.';
  elsif of_id is not null then
    select id, requested_by into found_one from backup_request where id = of_id;
    if not found then
      raise exception 'backup request % does not exist', of_id
        using errcode = 'no_data_found', hint = 'List them with "holdfast status --all", or with SELECT id, label, state FROM backup_status.';
    end if;
    perform require_ownership(found_one.id, found_one.requested_by);
    return found_one.id;
  end if;

  select id, requested_by into found_one from backup_request
  where cluster = of_cluster and label = of_label
    and state in ('requested', 'starting', 'running', 'done', 'archiving')
  order by state = 'archiving', id desc limit 1;
  if found then
    perform require_ownership(found_one.id, found_one.requested_by);
    return found_one.id;
  end if;

  select id, state, finished_at into last_one from backup_request
  where cluster = of_cluster and label = of_label order by id desc limit 1;
  select id, state into meant from backup_request
  where id = case when of_label ~ '^[0-9]{1,18}$' then of_label::bigint end;
  select string_agg(format('"%s"', label), ', ' order by id) into under_way from backup_request
  where cluster = of_cluster and label is not null and state in ('requested', 'starting', 'running', 'done', 'archiving');
  raise exception 'no active backup of cluster "%" has the label "%"', of_cluster, of_label
    using errcode = 'no_data_found',
      detail = case when last_one.id is null then 'There never was a backup with that label.' else
        format('The newest finished backup with that label is %s, %s at %s.', last_one.id, last_one.state, last_one.finished_at::timestamptz(0)) end,
      hint = case
        when meant.state = 'complete'
        then format('Write the label of backup %1$s with "holdfast label %1$s --to DIR"; name it in SQL by id => %1$s.', meant.id)
        when meant.id is not null
        then format('Name backup request %1$s by its id: "holdfast stop --id %1$s", "holdfast cancel %1$s", or id => %1$s in SQL.', meant.id)
        when last_one.id is not null
        then format('Give the id of a finished backup (id => %1$s, or "holdfast label %1$s --to DIR"): a label finds only the backup that is under way.', last_one.id)
        when under_way is not null then format('Give the label of a backup that is under way: %s.', under_way)
        else 'Look for it with SELECT id, label, state FROM backup_status: no backup with a label is under way.' end;
end
$$;
comment on function :"schema".active_request(bigint, text, text) is
  'The request with that id; or the active one with that label in that cluster. Raises P0002 where there is none, 42501 where it is somebody else''s.';
revoke all on function :"schema".active_request(bigint, text, text) from public;
grant execute on function :"schema".active_request(bigint, text, text) to :"reader";
