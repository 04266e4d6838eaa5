-- How an archiver is doing is seen by what waits for it, since one that hangs reports no failure; and whether the WAL of
-- a backup was seen in its archive.

alter table :"schema".cluster
  add column wal_waiting integer,
  add column wal_waiting_since timestamptz;
comment on column :"schema".cluster.wal_waiting is
  'How many files waited for the archiver then (.ready in archive_status); null: the server archives nothing.';
comment on column :"schema".cluster.wal_waiting_since is
  'Since when the one of them waits that has waited longest; null: none waits.';
grant update (wal_waiting, wal_waiting_since) on :"schema".cluster to :"worker";
