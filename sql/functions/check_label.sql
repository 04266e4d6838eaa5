create or replace function :"schema".check_label(of_cluster text, label text, requester text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  holder record;
begin
  perform check_label_text(label);

  select name into holder from backup_schedule s
  where s.kind = 'backup' and s.cluster = of_cluster
    and left(label, length(coalesce(s.label_prefix, s.name)) + 1) = coalesce(s.label_prefix, s.name) || ' '
    and substr(label, length(coalesce(s.label_prefix, s.name)) + 2) ~ '^[0-9]{8}T[0-9]{6}Z$';
  if found then
    raise exception 'label "%" belongs to schedule "%"', label, holder.name
      using errcode = 'HF001', hint = 'Use another label: the schedule gives such labels to its own requests.';
  end if;

  -- Without this, an INSERT would wait on the unique index for as long as somebody else keeps a
  -- transaction with the same label open.
  if not pg_try_advisory_xact_lock(label_key(of_cluster, label)) then
    if not requester_holds(label_key(of_cluster, label)) then
      -- Whoever has no right to request a label has locked it. Another may really be requesting it all the same.
      perform set_config('lock_timeout', '2s', true);
    else
      raise exception 'label "%" of cluster "%" is being requested by another transaction', label, of_cluster
        using errcode = 'lock_not_available',
          hint = 'Try again once that transaction has ended, or use another label.';
    end if;
  end if;

  -- Without this, INSERT ... ON CONFLICT DO UPDATE ... WHERE would lock somebody else's row for as long as its
  -- transaction lasts: it looks at the row policies only when it updates.
  select id, requested_by into holder from backup_request r
  where r.cluster = of_cluster and r.label = check_label.label
    and state in ('requested', 'starting', 'running', 'done') and requested_by <> requester;
  if found then
    raise exception 'label "%" of cluster "%" is in use by backup request % of role "%"',
        label, of_cluster, holder.id, holder.requested_by
      using errcode = 'unique_violation', constraint = 'one_active_request_per_label',
        hint = 'Use another label, or wait until that backup has ended.';
  end if;
end
$$;
comment on function :"schema".check_label(text, text, text) is
  'Refuses a label that PostgreSQL''s backup_label could not hold safely, that is a schedule''s, that an open transaction is requesting, or that the backup of somebody else than the requester has.';
revoke all on function :"schema".check_label(text, text, text) from public;
grant execute on function :"schema".check_label(text, text, text) to :"requester";
