-- What the segments of an archive say about each other, and since when a timeline has been written to.

alter table :"schema".archived_wal add column first_archived_at timestamptz, add column broken text;
comment on column :"schema".archived_wal.first_archived_at is 'When the first segment was archived.';
comment on column :"schema".archived_wal.broken is
  'Why the segment before this run does not lead to it, although its name does; null: it does, or is not there.';
