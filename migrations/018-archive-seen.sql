-- Whether the WAL of a backup was seen in its archive: an archive_command may succeed without archiving.

alter table :"schema".backup_request add column archive_seen boolean;
comment on column :"schema".backup_request.archive_seen is
  'When it became complete: whether its worker saw that WAL in the archive. true: it did. false: it can see the archive, and the WAL was not there; warnings say more. null: it cannot see the archive, so the WAL is archived as the server says, or nobody waited for it.';
grant update (archive_seen) on :"schema".backup_request to :"worker";
