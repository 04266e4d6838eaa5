-- Whether the WAL of a backup was seen in its archive: an archive_command may succeed without archiving.

alter table :"schema".backup_request add column archive_seen boolean;
comment on column :"schema".backup_request.archive_seen is
  'Whether that WAL was seen in the archive. false: it was looked for and is not there, see warnings. null: the worker cannot see the archive, so it is archived as the server says.';
grant update (archive_seen) on :"schema".backup_request to :"worker";
