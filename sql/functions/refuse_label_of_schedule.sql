create or replace function :"schema".refuse_label_of_schedule(of_cluster text, label text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  holder record;
begin
  select name into holder from backup_schedule s
  where s.kind = 'backup' and s.cluster = of_cluster
    and left(label, length(coalesce(s.label_prefix, s.name)) + 1) = coalesce(s.label_prefix, s.name) || ' '
    and substr(label, length(coalesce(s.label_prefix, s.name)) + 2) ~ '^[0-9]{8}T[0-9]{6}Z$';
  if found then
    raise exception 'label "%" belongs to schedule "%"', label, holder.name
      using errcode = 'HF001', hint = 'Use another label: the schedule gives such labels to its own requests.';
  end if;
end
$$;
comment on function :"schema".refuse_label_of_schedule(text, text) is
  'Refuses a label that a schedule gives to its own requests.';
revoke all on function :"schema".refuse_label_of_schedule(text, text) from public;
