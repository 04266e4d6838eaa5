create or replace function :"schema".choose_label() returns trigger
language plpgsql
security definer
set search_path = :"schema", pg_temp
set lock_timeout = '100ms'
as $$
declare
  is_given constant boolean := new.label is not null and new.schedule is null;
  is_requested boolean := false;
  holder record;
begin
  if new.label is null then
    new.label := to_char(clock_timestamp() at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') || '-' || new.id;
  end if;
  perform check_label_text(new.label);
  if is_given then
    perform refuse_label_of_schedule(new.cluster, new.label);
  end if;

  -- An INSERT would wait on the unique index for as long as somebody else keeps a transaction with the same label
  -- open. Whoever inserts that label has been here first, and waits here instead, for a moment.
  begin
    insert into requested_label (cluster, label) values (new.cluster, new.label);
    delete from requested_label r where r.cluster = new.cluster and r.label = new.label;
  exception when lock_not_available or deadlock_detected then
    is_requested := true;
  end;
  if is_requested and is_given then
    raise exception 'label "%" of cluster "%" is being requested by another transaction', new.label, new.cluster
      using errcode = 'lock_not_available',
        hint = 'Try again once that transaction has ended, or use another label.';
  end if;

  select id, requested_by into holder from backup_request r
  where r.cluster = new.cluster and r.label = new.label and r.state in ('requested', 'starting', 'running', 'done');
  if not is_given and (found or is_requested) then
    -- Nobody holds up a schedule, or a request that leaves its label to Holdfast.
    new.label := new.label || case when new.schedule is null then '-' else ' ' end || substr(md5(random()::text), 1, 8);
  elsif found and holder.requested_by <> new.requested_by then
    -- Without this, INSERT ... ON CONFLICT DO UPDATE ... WHERE would lock somebody else's row for as long as its
    -- transaction lasts: it looks at the row policies only when it updates.
    raise exception 'label "%" of cluster "%" is in use by backup request % of role "%"',
        new.label, new.cluster, holder.id, holder.requested_by
      using errcode = 'unique_violation', constraint = 'one_active_request_per_label',
        hint = 'Use another label, or wait until that backup has ended.';
  end if;
  return new;
end
$$;
comment on function :"schema".choose_label() is
  'Chooses the label of a request that brings none, and refuses a label that backup_label could not hold safely, that is a schedule''s, that an open transaction is requesting, or that the backup of somebody else has. What others lock holds it up for a moment only. Runs with the rights of the schema''s owner, as nobody else may write into requested_label.';
revoke all on function :"schema".choose_label() from public;
