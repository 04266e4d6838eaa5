-- Method copy: what its requester may say about it. Its progress is in backup_stage.

alter table :"schema".backup_request
  add column rate_limit bigint
    constraint rate_limit_is_32_kilobytes_or_more check (rate_limit >= 32768)
    constraint rate_limit_goes_with_copy check (rate_limit is null or method = 'copy'),
  add column compress_level integer
    constraint compress_level_is_1_to_19 check (compress_level between 1 and 19)
    constraint compress_level_goes_with_copy check (compress_level is null or method = 'copy');
comment on column :"schema".backup_request.rate_limit is
  'With method copy: how many bytes a second are read at most, 32768 or more; null: as fast as it goes.';
comment on column :"schema".backup_request.compress_level is
  'With method copy: the zstd level, 1 to 19; null: the worker''s default.';
grant insert (rate_limit, compress_level) on :"schema".backup_request to :"requester";

-- The procedure has two parameters more, and its former self would make every call ambiguous.
drop procedure if exists :"schema".start_backup(
  text, text, text, text, boolean, boolean, interval, boolean, jsonb, interval, bigint, pg_lsn);
