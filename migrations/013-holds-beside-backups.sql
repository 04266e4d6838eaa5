-- Holds and keeps also lie beside the backups, where an expiry sees them whatever became of this database.

alter table :"schema".backup_request add column keep_changed_at timestamptz;
comment on column :"schema".backup_request.keep_changed_at is
  'When keep was changed last; null: it is what it was requested with.';

-- The bodies are in sql/functions and replace these; until they have, nothing gets in.
create function :"schema".announce_hold() returns trigger language plpgsql as
  $$ begin raise exception 'the installation of Holdfast is not finished'; end $$;

create trigger announce_hold after insert or update on :"schema".legal_hold
  for each row execute function :"schema".announce_hold();
create trigger announce_keep after update of keep on :"schema".backup_request
  for each row when (old.keep is distinct from new.keep) execute function :"schema".announce_hold();
