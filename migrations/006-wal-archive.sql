-- What the WAL archives in workers' repositories hold, and what their segments say about each other.

create table :"schema".archived_wal (
  cluster text not null references :"schema".cluster (name),
  timeline integer not null,
  start_wal text not null constraint start_wal_is_a_segment check (start_wal ~ '^[0-9A-F]{24}$'),
  end_wal text not null constraint end_wal_is_a_segment check (end_wal ~ '^[0-9A-F]{24}$'),
  start_lsn pg_lsn not null,
  end_lsn pg_lsn not null,
  first_archived_at timestamptz,
  last_archived_at timestamptz not null,
  missing_from text,
  missing_to text,
  broken text,
  follows_timeline integer,
  follows_wal text,
  switch_lsn pg_lsn,
  restorable_from timestamptz,
  restorable_from_lsn pg_lsn,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (cluster, timeline, start_wal),
  constraint a_range_does_not_end_before_it_starts check (start_wal <= end_wal and start_lsn < end_lsn),
  constraint a_hole_has_two_ends check ((missing_from is null) = (missing_to is null)),
  constraint what_follows_names_it check (num_nulls(follows_timeline, follows_wal, switch_lsn) in (0, 3)),
  constraint a_backup_has_time_and_lsn check ((restorable_from is null) = (restorable_from_lsn is null))
);
comment on table :"schema".archived_wal is
  'The WAL in the repository: one row per run of segments that follow each other, as a worker that has the repository last saw them.';
comment on column :"schema".archived_wal.cluster is 'The cluster.';
comment on column :"schema".archived_wal.timeline is 'The timeline in the segments'' names.';
comment on column :"schema".archived_wal.start_wal is 'The first segment.';
comment on column :"schema".archived_wal.end_wal is 'The last one.';
comment on column :"schema".archived_wal.start_lsn is 'Where the first one begins.';
comment on column :"schema".archived_wal.end_lsn is 'Where the last one ends.';
comment on column :"schema".archived_wal.first_archived_at is 'When the first segment was archived.';
comment on column :"schema".archived_wal.last_archived_at is 'When the last one was archived.';
comment on column :"schema".archived_wal.missing_from is
  'The first segment of the hole before this run, or the history file without which recovery does not get here; null: there is none.';
comment on column :"schema".archived_wal.missing_to is 'The last one of the hole.';
comment on column :"schema".archived_wal.broken is
  'Why the segment before this run does not lead to it, although its name does; null: it does, or is not there.';
comment on column :"schema".archived_wal.follows_timeline is
  'The timeline that this one branched off, where the archive has that one''s WAL up to there.';
comment on column :"schema".archived_wal.follows_wal is 'The first segment of the run that it continues.';
comment on column :"schema".archived_wal.switch_lsn is 'Where it branched off.';
comment on column :"schema".archived_wal.restorable_from is
  'When the oldest backup in the repository stopped that this run leads on from; null: there is none. A copy brings the WAL up to its stop.';
comment on column :"schema".archived_wal.restorable_from_lsn is 'The LSN where it stopped.';
comment on column :"schema".archived_wal.seen_at is 'When this row was last written; unchanged runs are left alone.';

grant select on :"schema".archived_wal to :"reader";
grant insert, update, delete on :"schema".archived_wal to :"worker";
